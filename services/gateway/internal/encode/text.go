package encode

// escapes holds, for each byte below 0x80, 0 when it stands for itself in a JSON string,
// the letter of its short escape, or 'u'.
var escapes = func() (table [256]byte) {
	for b := range 0x20 {
		table[b] = 'u'
	}
	table['\b'], table['\f'], table['\n'], table['\r'], table['\t'] = 'b', 'f', 'n', 'r', 't'
	table['"'], table['\\'] = '"', '\\'
	return table
}()

// AppendString appends s, which must be UTF-8, as a JSON string.
func AppendString(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	plain := 0
	for i, b := range s {
		escape := escapes[b]
		if escape == 0 {
			continue
		}
		dst = append(dst, s[plain:i]...)
		plain = i + 1
		if escape == 'u' {
			dst = append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
			continue
		}
		dst = append(dst, '\\', escape)
	}
	dst = append(dst, s[plain:]...)
	return append(dst, '"')
}
