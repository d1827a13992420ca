package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"

	"github.com/goccy/go-yaml"
)

// DefaultDatabase is the id of the one database that MYSQL_CONNECTION_STRING names.
const DefaultDatabase = "default"

// Database is one source and what of it is followed.
type Database struct {
	// ID is what clients ask for with ?db=.
	ID string
	// Name is for people.
	Name   string
	Source Source
	// Include and Exclude are patterns of table names with * and ?. Empty Include means every table; Exclude wins.
	Include, Exclude []string
	Masks            []Mask
}

// Mask hides a column's values from everyone downstream.
type Mask struct {
	Table  string `yaml:"table"`
	Column string `yaml:"column"`
	// Action is drop, hash or redact.
	Action string `yaml:"action"`
	// Salt is the key of hash.
	Salt Secret `yaml:"salt"`
}

// Sources is embedded in the settings of services that must know the databases.
type Sources struct {
	// Connection is one database, under the id "default".
	Connection Secret `env:"MYSQL_CONNECTION_STRING"`
	// File is a YAML file with several.
	File string `env:"DATABASES_FILE"`
}

type databasesFile struct {
	Databases []struct {
		ID         string   `yaml:"id"`
		Name       string   `yaml:"name"`
		Connection Secret   `yaml:"connectionString"`
		Include    []string `yaml:"include"`
		Exclude    []string `yaml:"exclude"`
		Masks      []Mask   `yaml:"masks"`
	} `yaml:"databases"`
}

var databaseID = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// Problems implements Checker.
func (s *Sources) Problems() []string {
	_, err := s.Databases()
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Problems
	}
	return []string{err.Error()}
}

// Databases reads and checks the sources. It returns an *Error that names every problem.
func (s *Sources) Databases() ([]Database, error) {
	switch {
	case s.Connection != "" && s.File != "":
		return nil, &Error{Problems: []string{"MYSQL_CONNECTION_STRING and DATABASES_FILE are both set; keep one"}}
	case s.Connection != "":
		source, err := ParseSource(s.Connection.Reveal())
		if err != nil {
			return nil, &Error{Problems: []string{"MYSQL_CONNECTION_STRING: " + err.Error()}}
		}
		return []Database{{ID: DefaultDatabase, Name: source.Database, Source: source}}, nil
	case s.File != "":
		return readDatabases(s.File)
	default:
		return nil, &Error{Problems: []string{"MYSQL_CONNECTION_STRING is not set; write " + form + ", or name a file in DATABASES_FILE"}}
	}
}

func readDatabases(path string) ([]Database, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, &Error{Problems: []string{"DATABASES_FILE: " + err.Error()}}
	}
	var file databasesFile
	if err := yaml.UnmarshalWithOptions(data, &file, yaml.Strict()); err != nil {
		// The library's message quotes the line, which may hold a password.
		return nil, &Error{Problems: []string{"DATABASES_FILE: " + path + ": " + yamlReason(err)}}
	}
	var problems []string
	complain := func(i int, format string, args ...any) {
		problems = append(problems, fmt.Sprintf("DATABASES_FILE: entry %d: ", i+1)+fmt.Sprintf(format, args...))
	}
	if len(file.Databases) == 0 {
		problems = append(problems, "DATABASES_FILE: "+path+" lists no databases")
	}
	seen := map[string]bool{}
	var out []Database
	for i, entry := range file.Databases {
		if !databaseID.MatchString(entry.ID) {
			complain(i, "its id %q must be 1 to 64 of a-z, 0-9, _ and -, and begin with a letter or digit", entry.ID)
		}
		if seen[entry.ID] {
			complain(i, "its id %q is used twice", entry.ID)
		}
		seen[entry.ID] = true
		for _, m := range entry.Masks {
			if m.Action != "drop" && m.Action != "hash" && m.Action != "redact" {
				complain(i, "the mask of %s.%s must have action drop, hash or redact", m.Table, m.Column)
			}
			if m.Action == "hash" && m.Salt == "" {
				complain(i, "the mask of %s.%s needs a salt", m.Table, m.Column)
			}
		}
		source, err := ParseSource(entry.Connection.Reveal())
		if err != nil {
			complain(i, "its connectionString is wrong: %v", err)
		}
		name := entry.Name
		if name == "" {
			name = entry.ID
		}
		out = append(out, Database{ID: entry.ID, Name: name, Source: source, Include: entry.Include, Exclude: entry.Exclude, Masks: entry.Masks})
	}
	if len(problems) > 0 {
		return nil, &Error{Problems: problems}
	}
	return out, nil
}

// yamlReason is the library's message without the source lines it quotes.
func yamlReason(err error) string {
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		token := syntax.GetToken()
		if token != nil && token.Position != nil {
			return fmt.Sprintf("line %d: not the YAML that is expected here: a list `databases` of id, name, connectionString, include, exclude, masks", token.Position.Line)
		}
	}
	return "not the YAML that is expected: a list `databases` of id, name, connectionString, include, exclude, masks"
}
