package mysqltype

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// SetDefault takes the column's default from information_schema's COLUMN_DEFAULT. MariaDB writes it there as SQL and MySQL as the value.
// Only constants are taken. Those of TIMESTAMP columns are not: they depend on the time zone of the session that declared them.
func (c *Column) SetDefault(text string, asSQL bool) {
	var quoted bool
	if asSQL {
		if text, quoted = unquote(text); !quoted && c.quotes() {
			return
		}
	}
	if value, ok := c.constant(text, asSQL); ok && !strings.ContainsRune(value, 0) {
		c.Default = &value
	}
}

// quotes is true where a constant that is not in quotes is none.
func (c *Column) quotes() bool {
	switch c.kind {
	case kindText, kindEnum, kindSet, kindBinary, kindBlob, kindDate, kindDatetime, kindTime:
		return true
	}
	return false
}

var (
	floatText = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?$`)
	timeText  = regexp.MustCompile(`^-?[0-9]{2,3}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?$`)
)

// constant is a default's value in DuckDB's form.
func (c *Column) constant(text string, asSQL bool) (value string, ok bool) {
	switch c.kind {
	case kindInt:
		n, err := strconv.ParseInt(text, 10, 64)
		return strconv.FormatInt(n, 10), err == nil
	case kindUint, kindYear:
		n, err := strconv.ParseUint(text, 10, 64)
		return strconv.FormatUint(n, 10), err == nil
	case kindBit:
		digits, found := strings.CutPrefix(text, "b'")
		n, err := strconv.ParseUint(strings.TrimSuffix(digits, "'"), 2, 64)
		return strconv.FormatUint(n, 10), found && err == nil
	case kindDecimal, kindWideDecimal:
		return text, isPlainNumber(text)
	case kindFloat, kindDouble:
		return text, floatText.MatchString(text)
	case kindDate:
		_, ok, err := parseDate([]byte(text))
		return text, ok && err == nil
	case kindDatetime:
		_, ok, err := parseDatetime([]byte(text))
		return text, ok && err == nil
	case kindTime:
		return text, timeText.MatchString(text)
	case kindText:
		if strings.HasPrefix(strings.ToLower(c.SourceType), "char(") { // as it reads them
			text = strings.TrimRight(text, " ")
		}
		return text, true
	case kindEnum, kindSet:
		return text, true
	case kindBinary, kindBlob:
		return c.binaryConstant(text, asSQL)
	}
	return "", false
}

// binaryConstant reads MySQL's 0x6162. MariaDB has the bytes as they are, of which only those are certain that no conversion changed.
func (c *Column) binaryConstant(text string, asSQL bool) (string, bool) {
	data := []byte(text)
	if !asSQL {
		digits, found := strings.CutPrefix(text, "0x")
		var err error
		if data, err = hex.DecodeString(digits); !found || err != nil {
			return "", false
		}
	} else if !isASCII(data) {
		return "", false
	}
	for c.kind == kindBinary && len(data) < c.width {
		data = append(data, 0)
	}
	return blobText(data), true
}

// blobText is bytes as text that DuckDB casts to BLOB.
func blobText(data []byte) string {
	var out strings.Builder
	for _, b := range data {
		fmt.Fprintf(&out, `\x%02X`, b)
	}
	return out.String()
}

// unquote reads a string constant as MariaDB writes it. What is not one is returned as it is.
func unquote(sql string) (text string, quoted bool) {
	if len(sql) < 2 || sql[0] != '\'' || sql[len(sql)-1] != '\'' {
		return sql, false
	}
	var out strings.Builder
	for s := sql[1 : len(sql)-1]; s != ""; s = s[1:] {
		switch {
		case s[0] == '\'' && !strings.HasPrefix(s, "''"):
			return sql, false // an expression that begins and ends with constants
		case s[0] == '\'' && len(s) > 1:
			s = s[1:]
		case s[0] == '\\' && len(s) > 1:
			s = s[1:]
			if escaped := strings.IndexByte("0nrtZ", s[0]); escaped >= 0 {
				out.WriteByte("\x00\n\r\t\x1a"[escaped])
				continue
			}
		}
		out.WriteByte(s[0])
	}
	return out.String(), true
}
