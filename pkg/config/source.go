package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Source is where a database is and how to get in.
type Source struct {
	Host     string
	Port     int
	User     string
	Password Secret
	Database string
	TLS      TLS
}

// Addr is host:port.
func (s Source) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// TLSMode says how much of a server's certificate is checked.
type TLSMode string

// The modes, named as MySQL's own clients do.
const (
	TLSOff            TLSMode = "false"
	TLSPreferred      TLSMode = "preferred"       // encrypted if the server can, nothing checked
	TLSSkipVerify     TLSMode = "skip-verify"     // encrypted, nothing checked
	TLSVerifyCA       TLSMode = "verify-ca"       // signed by a trusted authority
	TLSVerifyIdentity TLSMode = "verify-identity" // and for this host
)

// TLS says how a connection is protected.
type TLS struct {
	Mode TLSMode
	// CA, Cert and Key are PEM files; CA empty means the system's authorities, Cert and Key empty no client certificate.
	CA, Cert, Key string
}

const form = "mysql://user:password@host:3306/database"

// ParseSource reads a connection string such as mysql://user:password@host:3306/shop?tls=verify-ca&ca=/etc/ca.pem.
// Errors do not repeat the string.
func ParseSource(connection string) (Source, error) {
	u, err := url.Parse(connection)
	// An @ behind the host means that a / ? or # in the password ended it too early: what
	// follows is a piece of the password and must not pass for a database or parameter.
	if err != nil || strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
		return Source{}, errors.New("it is not a URL like " + form + "; characters such as / ? # % @ in user or password must be percent-encoded")
	}
	if u.Scheme != "mysql" && u.Scheme != "mariadb" {
		return Source{}, errors.New("it must begin with mysql://, as in " + form)
	}
	s := Source{Host: u.Hostname(), Port: 3306, User: u.User.Username(), Database: strings.Trim(u.Path, "/")}
	if password, ok := u.User.Password(); ok {
		s.Password = Secret(password)
	}
	if port := u.Port(); port != "" {
		if s.Port, err = strconv.Atoi(port); err != nil || s.Port < 1 || s.Port > 65535 {
			return Source{}, errors.New("its port must be between 1 and 65535")
		}
	}
	switch {
	case s.Host == "":
		return Source{}, errors.New("it names no host; write " + form)
	case s.User == "":
		return Source{}, errors.New("it names no user; write " + form)
	case s.Database == "":
		return Source{}, errors.New("it names no database; write " + form)
	case strings.Contains(s.Database, "/"):
		return Source{}, errors.New("its path must be the name of one database, as in " + form)
	}
	s.TLS, err = parseTLS(u.Query())
	return s, err
}

func parseTLS(query url.Values) (TLS, error) {
	t := TLS{Mode: TLSOff}
	for name, values := range query {
		value := values[len(values)-1]
		switch name {
		case "tls", "ssl-mode":
			switch mode := strings.ToLower(value); mode {
			case "false", "disabled", "0":
			case "preferred":
				t.Mode = TLSPreferred
			case "skip-verify", "required":
				t.Mode = TLSSkipVerify
			case "verify-ca", "verify_ca":
				t.Mode = TLSVerifyCA
			case "true", "verify-identity", "verify_identity", "1":
				t.Mode = TLSVerifyIdentity
			default:
				return TLS{}, errors.New("its tls must be one of false, preferred, skip-verify, verify-ca, verify-identity")
			}
		case "ca":
			t.CA = value
		case "cert":
			t.Cert = value
		case "key":
			t.Key = value
		default:
			return TLS{}, fmt.Errorf("its parameter %q is unknown; known are tls, ca, cert and key", name)
		}
	}
	if (t.Cert == "") != (t.Key == "") {
		return TLS{}, errors.New("it must have both cert and key, or neither")
	}
	if t.Mode == TLSOff && t.CA+t.Cert != "" {
		return TLS{}, errors.New("it names certificates but tls is off; add tls=verify-identity or tls=verify-ca")
	}
	return t, nil
}
