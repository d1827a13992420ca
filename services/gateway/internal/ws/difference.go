package ws

import "bytes"

// appendDifference appends the rows that were added and removed. It appends nothing and returns true when the whole result is
// shorter, or when a client could not make it from the difference: one of the same rows in another order.
func appendDifference(dst []byte, before, after *version) (out []byte, whole bool) {
	if !sameColumns(before, after) {
		return dst, true
	}
	added, removed := difference(before.each(), after.each())
	size := 0
	for _, rows := range [][][]byte{added, removed} {
		for _, row := range rows {
			size += len(row) + 1
		}
	}
	if size >= len(after.rows) || len(added)+len(removed) == 0 {
		return dst, true
	}
	dst = append(dst, `,"added":`...)
	dst = appendRows(dst, added)
	dst = append(dst, `,"removed":`...)
	return appendRows(dst, removed), false
}

func sameColumns(a, b *version) bool {
	if len(a.columns) != len(b.columns) {
		return false
	}
	for i := range a.columns {
		if a.columns[i].Name != b.columns[i].Name || a.columns[i].Type.String() != b.columns[i].Type.String() {
			return false
		}
	}
	return true
}

// difference compares two multisets of rows.
func difference(before, after [][]byte) (added, removed [][]byte) {
	count := make(map[string]int, len(before))
	for _, row := range before {
		count[string(row)]++
	}
	for _, row := range after {
		if count[string(row)] > 0 {
			count[string(row)]--
		} else {
			added = append(added, row)
		}
	}
	for _, row := range before {
		if count[string(row)] > 0 {
			count[string(row)]--
			removed = append(removed, row)
		}
	}
	return added, removed
}

func appendRows(dst []byte, rows [][]byte) []byte {
	dst = append(dst, '[')
	dst = append(dst, bytes.Join(rows, []byte{','})...)
	return append(dst, ']')
}

// splitRows cuts a JSON array of objects, as package encode writes it, into its objects.
func splitRows(array []byte) [][]byte {
	var rows [][]byte
	depth, start, quoted := 0, 0, false
	for i := 0; i < len(array); i++ {
		switch c := array[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth == 2 {
				start = i
			}
		case c == '}' || c == ']':
			if depth--; depth == 1 {
				rows = append(rows, array[start:i+1])
			}
		}
	}
	return rows
}
