package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// bucket is a store in a bucket of an S3-compatible server.
type bucket struct {
	client       *minio.Client
	name, prefix string
}

// newBucket takes the keys from where AWS's own tools take them: the environment, the shared credentials file,
// the machine's role.
func newBucket(name, prefix, endpoint, region string) (*bucket, error) {
	u, err := url.Parse(endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("BACKUP_S3_ENDPOINT must be a URL such as https://s3.eu-central-1.amazonaws.com")
	}
	if name == "" {
		return nil, errors.New("BACKUP_TO must name a bucket: s3://bucket/prefix")
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds:  credentials.NewChainCredentials([]credentials.Provider{new(credentials.EnvAWS), new(credentials.FileAWSCredentials), new(credentials.IAM)}),
		Secure: u.Scheme == "https",
		Region: region,
	})
	if err != nil {
		return nil, fmt.Errorf("using %s: %w", endpoint, err)
	}
	return &bucket{client: client, name: name, prefix: prefix}, nil
}

func (b *bucket) object(key string) string { return path.Join(b.prefix, key) }

// part bounds what is held in memory of an upload; S3 allows 10,000 parts.
const part = 64 << 20

func (b *bucket) Put(ctx context.Context, key string, r io.ReadSeeker, size int64) error {
	_, err := b.client.PutObject(ctx, b.name, b.object(key), r, size, minio.PutObjectOptions{
		ContentType: "application/octet-stream", PartSize: uint64(max(part, size/9000+1)),
	})
	return b.explain(err)
}

func (b *bucket) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	object, err := b.client.GetObject(ctx, b.name, b.object(key), minio.GetObjectOptions{})
	if err != nil {
		return nil, b.explain(err)
	}
	if _, err := object.Stat(); err != nil {
		return nil, errors.Join(b.explain(err), object.Close())
	}
	return object, nil
}

func (b *bucket) List(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	for object := range b.client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: b.object(prefix) + "/", Recursive: true}) {
		if object.Err != nil {
			return nil, b.explain(object.Err)
		}
		keys = append(keys, strings.TrimPrefix(strings.TrimPrefix(object.Key, b.prefix), "/"))
	}
	slices.Sort(keys)
	return keys, nil
}

func (b *bucket) Remove(ctx context.Context, key string) error {
	return b.explain(b.client.RemoveObject(ctx, b.name, b.object(key), minio.RemoveObjectOptions{}))
}

// explain names the bucket, and tells what is missing from what failed.
func (b *bucket) explain(err error) error {
	if err == nil {
		return nil
	}
	response := minio.ToErrorResponse(err)
	switch {
	case response.Code == minio.NoSuchKey:
		return fmt.Errorf("bucket %s has no object %s: %w", b.name, response.Key, fs.ErrNotExist)
	case response.Code == minio.NoSuchBucket:
		return fmt.Errorf("bucket %s does not exist: create it, or correct BACKUP_TO", b.name)
	case response.StatusCode == http.StatusForbidden:
		return fmt.Errorf("bucket %s: access denied: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the rights of their owner: %w", b.name, err)
	}
	return fmt.Errorf("bucket %s: %w", b.name, err)
}
