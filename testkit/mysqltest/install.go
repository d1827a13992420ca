package mysqltest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrNotInstalled means that scripts/testdb.sh has not put the server in place.
var ErrNotInstalled = errors.New("the database server is not installed: run scripts/testdb.sh install (make testdb)")

// installation returns the folder that scripts/testdb.sh made for the flavor. The file
// "version" is what the script writes last.
func installation(flavor Flavor) (string, error) {
	root := os.Getenv("DUCKLING_TESTDB")
	if root == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("finding the test servers without DUCKLING_TESTDB: %w", err)
		}
		root = filepath.Join(home, ".cache", "duckling", "testdb")
	}
	folder, err := filepath.Abs(filepath.Join(root, string(flavor)))
	if err != nil {
		return "", fmt.Errorf("finding the test servers: %w", err)
	}
	if _, err := os.Stat(filepath.Join(folder, "version")); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("looking for %q in %s: %w", flavor, root, ErrNotInstalled)
	} else if err != nil {
		return "", fmt.Errorf("looking for %s: %w", flavor, err)
	}
	return folder, nil
}

// Mysqlbinlog returns the program of that name that came with MySQL. MariaDB's does not read MySQL 9's files.
func Mysqlbinlog() (string, error) {
	folder, err := installation(MySQL)
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "mysqlbinlog")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("looking for MySQL's mysqlbinlog; scripts/testdb.sh install mysql brings it: %w", err)
	}
	return path, nil
}

// copyTemplate makes dataDir a copy of the initialised template, whole or not at all.
// A data directory that is there already stays as it is.
func copyTemplate(template, dataDir string) error {
	if _, err := os.Stat(dataDir); err == nil {
		return nil
	}
	partial := dataDir + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return fmt.Errorf("removing an unfinished data directory: %w", err)
	}
	if err := os.CopyFS(partial, os.DirFS(template)); err != nil {
		return fmt.Errorf("copying the template data directory: %w", err)
	}
	if err := os.Rename(partial, dataDir); err != nil {
		return fmt.Errorf("naming the data directory: %w", err)
	}
	return nil
}
