package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/bus/embedded"
)

const adminKey = "the admin key"

// eventually waits until done, and fails the test when that takes unreasonably long.
func eventually(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("still waiting after 3 minutes")
		}
	}
}

// run follows a store, as another gateway does, until the test ends.
func run(t *testing.T, store Store) *Keys {
	t.Helper()
	keys := NewKeys(store)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- keys.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	eventually(t, keys.Loaded)
	return keys
}

// stores are the two kinds of Store, each as it looks from two gateways.
func stores(t *testing.T) map[string][2]Store {
	log := slog.New(slog.DiscardHandler)
	file := filepath.Join(t.TempDir(), "keys.json")
	server, err := embedded.Start(embedded.Config{StoreDir: t.TempDir(), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	var tables [2]Store
	for i := range tables {
		b, err := bus.Connect(context.Background(), bus.Config{URL: server.ClientURL(), Logger: log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		tables[i] = NewTableStore(func() *bus.Bus { return b }, log)
	}
	return map[string][2]Store{"file": {NewFileStore(file, log), NewFileStore(file, log)}, "table": tables}
}

func TestKeysAreSharedBetweenGateways(t *testing.T) {
	ctx := context.Background()
	for name, pair := range stores(t) {
		t.Run(name, func(t *testing.T) {
			one, two := run(t, pair[0]), run(t, pair[1])
			there := New(adminKey, two, nil)
			first, key, err := one.Create(ctx, "shop", "report", nil)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(key, "dk_") || len(key) != 3+43 || !strings.HasSuffix(key, first.Last4) || strings.Contains(first.SHA256, key) {
				t.Errorf("key %q of %+v", key, first)
			}
			second, other, err := two.Create(ctx, "shop", "board", nil)
			if err != nil {
				t.Fatal(err)
			}
			var identity *Identity
			eventually(t, func() bool { identity, err = there.Identify(key); return err == nil })
			if identity.Admin || !identity.May("shop") || identity.May("default") || identity.Default() != "shop" || identity.Name != first.ID {
				t.Errorf("identity %+v", identity)
			}
			eventually(t, func() bool { all, err := one.List("shop"); return err == nil && len(all) == 2 })
			if all, err := one.List("default"); err != nil || len(all) != 0 {
				t.Errorf("keys of another database: %v %v", all, err)
			}
			if _, err := New(adminKey, one, nil).Identify(other); err != nil {
				t.Errorf("a key made by the other gateway: %v", err)
			}

			if _, err := one.Change(ctx, "shop", first.ID, func(r *Record) { r.Enabled = false }); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() bool { _, err := there.Identify(key); return errors.Is(err, ErrInvalid) })
			if there.Valid(identity) {
				t.Error("a disabled key's identity is still good")
			}
			if _, err := two.Change(ctx, "default", first.ID, func(r *Record) { r.Enabled = true }); !errors.Is(err, ErrNoKey) {
				t.Errorf("changing a key of another database: %v", err)
			}
			if err := two.Revoke(ctx, "shop", second.ID); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() bool { all, err := one.List("shop"); return err == nil && len(all) == 1 })
			if err := two.Revoke(ctx, "shop", second.ID); !errors.Is(err, ErrNoKey) {
				t.Errorf("revoking twice: %v", err)
			}
		})
	}
}

func TestExpiry(t *testing.T) {
	keys := run(t, NewFileStore(filepath.Join(t.TempDir(), "keys.json"), slog.New(slog.DiscardHandler)))
	past, future := time.Now().Add(-time.Second), time.Now().Add(time.Hour)
	_, expired, err := keys.Create(context.Background(), "shop", "old", &past)
	if err != nil {
		t.Fatal(err)
	}
	_, good, err := keys.Create(context.Background(), "shop", "new", &future)
	if err != nil {
		t.Fatal(err)
	}
	a := New(adminKey, keys, nil)
	if _, err := a.Identify(expired); !errors.Is(err, ErrInvalid) {
		t.Errorf("expired: %v", err)
	}
	if i, err := a.Identify(good); err != nil || !a.Valid(i) {
		t.Errorf("not expired: %v", err)
	}
}

func TestKeysFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	keys := run(t, NewFileStore(path, slog.New(slog.DiscardHandler)))
	_, key, err := keys.Create(context.Background(), "shop", "report", nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), key[3:]) {
		t.Error("the file holds the key itself")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// A file that somebody damaged must not end keys that are known.
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := keys.Create(context.Background(), "shop", "next", nil); err == nil || !strings.Contains(err.Error(), "API_KEYS_FILE") {
		t.Errorf("a key was added to a damaged file: %v", err)
	}
	if _, err := New(adminKey, keys, nil).Identify(key); err != nil {
		t.Errorf("the key is gone: %v", err)
	}
}

func TestWithoutAStore(t *testing.T) {
	a := New(adminKey, NewKeys(nil), nil)
	for presented, want := range map[string]error{"": ErrMissing, "x": ErrInvalid, "dk_x": ErrInvalid, adminKey + "x": ErrInvalid, adminKey: nil} {
		i, err := a.Identify(presented)
		if !errors.Is(err, want) || (err == nil) != (i != nil) {
			t.Errorf("%q: %v", presented, err)
		}
	}
	if i, err := a.Identify(adminKey); err != nil || !i.Admin || !i.May("any") || i.Default() != "default" || !a.Valid(i) {
		t.Errorf("admin is %+v, %v", i, err)
	}
	if _, _, err := NewKeys(nil).Create(context.Background(), "shop", "x", nil); !errors.Is(err, ErrNoStore) {
		t.Error(err)
	}
	unread := NewKeys(NewFileStore("/nonexistent/keys", slog.New(slog.DiscardHandler)))
	if _, err := New(adminKey, unread, nil).Identify("dk_x"); !errors.Is(err, ErrUnknown) {
		t.Errorf("before the keys were read: %v", err)
	}
}

func TestBearer(t *testing.T) {
	for header, want := range map[string]string{"Bearer x": "x", "bearer  x ": "x", "x": "x", "": "", "Bearer ": "", "Basic x": "Basic x"} {
		if got := Bearer(header); got != want {
			t.Errorf("%q: %q", header, got)
		}
	}
}

const jwtSecret = "0123456789abcdef0123456789abcdef"

func sign(t *testing.T, method jwt.SigningMethod, key any, c jwt.MapClaims) string {
	t.Helper()
	text, err := jwt.NewWithClaims(method, c).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func publicPEM(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func TestTokens(t *testing.T) {
	soon := time.Now().Add(time.Hour).Unix()
	tokens, err := NewTokens(TokenSettings{Secret: jwtSecret, Issuer: "sso", Audience: "duckling"})
	if err != nil {
		t.Fatal(err)
	}
	a := New(adminKey, NewKeys(nil), tokens)
	claims := func(change jwt.MapClaims) jwt.MapClaims {
		c := jwt.MapClaims{"sub": "ada", "exp": soon, "iss": "sso", "aud": "duckling", "databases": []string{"shop"}}
		for k, v := range change {
			c[k] = v
		}
		return c
	}
	good, err := a.Identify(sign(t, jwt.SigningMethodHS256, []byte(jwtSecret), claims(nil)))
	if err != nil || good.Admin || !good.May("shop") || good.May("default") || good.Default() != "shop" || good.Name != "token:ada" || !a.Valid(good) {
		t.Fatalf("%+v, %v", good, err)
	}
	if all, err := a.Identify(sign(t, jwt.SigningMethodHS256, []byte(jwtSecret), claims(jwt.MapClaims{"databases": "*"}))); err != nil || all.Admin || !all.May("any") {
		t.Errorf("all databases: %+v, %v", all, err)
	}
	if admin, err := a.Identify(sign(t, jwt.SigningMethodHS256, []byte(jwtSecret), claims(jwt.MapClaims{"admin": true}))); err != nil || !admin.Admin {
		t.Errorf("admin: %+v, %v", admin, err)
	}
	if none, err := a.Identify(sign(t, jwt.SigningMethodHS256, []byte(jwtSecret), claims(jwt.MapClaims{"databases": nil}))); err != nil || none.May("shop") {
		t.Errorf("no databases: %+v, %v", none, err)
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"expired":            sign(t, jwt.SigningMethodHS256, []byte(jwtSecret), claims(jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()})),
		"no expiry":          sign(t, jwt.SigningMethodHS256, []byte(jwtSecret), claims(jwt.MapClaims{"exp": nil})),
		"no subject":         sign(t, jwt.SigningMethodHS256, []byte(jwtSecret), claims(jwt.MapClaims{"sub": ""})),
		"not yet":            sign(t, jwt.SigningMethodHS256, []byte(jwtSecret), claims(jwt.MapClaims{"nbf": soon})),
		"other issuer":       sign(t, jwt.SigningMethodHS256, []byte(jwtSecret), claims(jwt.MapClaims{"iss": "x"})),
		"other audience":     sign(t, jwt.SigningMethodHS256, []byte(jwtSecret), claims(jwt.MapClaims{"aud": "x"})),
		"other secret":       sign(t, jwt.SigningMethodHS256, []byte(jwtSecret+"x"), claims(nil)),
		"other algorithm":    sign(t, jwt.SigningMethodHS384, []byte(jwtSecret), claims(nil)),
		"no signature":       sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(nil)),
		"another's key":      sign(t, jwt.SigningMethodRS256, private, claims(nil)),
		"cut":                sign(t, jwt.SigningMethodHS256, []byte(jwtSecret), claims(nil))[:40],
		"databases a number": sign(t, jwt.SigningMethodHS256, []byte(jwtSecret), claims(jwt.MapClaims{"databases": 7})),
	} {
		if i, err := a.Identify(token); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %+v, %v", name, i, err)
		}
	}
}

func TestTokenKeys(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	elliptical, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	big, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := jwt.MapClaims{"sub": "ada", "exp": time.Now().Add(time.Hour).Unix(), "databases": []string{"shop"}}
	for name, k := range map[string]struct {
		public  []byte
		method  jwt.SigningMethod
		private any
	}{
		"RS256": {publicPEM(t, &private.PublicKey), jwt.SigningMethodRS256, private},
		"ES256": {publicPEM(t, &elliptical.PublicKey), jwt.SigningMethodES256, elliptical},
	} {
		tokens, err := NewTokens(TokenSettings{PublicKey: k.public})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := tokens.identify(sign(t, k.method, k.private, c)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// The public key is no secret, so a token signed with it as one must not be taken.
		if _, err := tokens.identify(sign(t, jwt.SigningMethodHS256, k.public, c)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: signed with the public key: %v", name, err)
		}
	}
	for name, s := range map[string]TokenSettings{
		"short secret": {Secret: "short"}, "no key": {PublicKey: []byte("x")}, "wrong curve": {PublicKey: publicPEM(t, &big.PublicKey)},
	} {
		if _, err := NewTokens(s); err == nil || !strings.Contains(err.Error(), "JWT_") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
