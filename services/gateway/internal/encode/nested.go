package encode

import "github.com/chittihq/duckling/pkg/duck"

func writeList(c *column, dst []byte, i int) []byte {
	e := duck.Slice[duck.ListEntry](&c.vec)[i]
	return appendElements(c.children[0], dst, int(e.Offset), int(e.Length))
}

func writeArray(c *column, dst []byte, i int) []byte {
	return appendElements(c.children[0], dst, i*c.typ.Width, c.typ.Width)
}

func appendElements(child *column, dst []byte, first, count int) []byte {
	dst = append(dst, '[')
	for n := range count {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = child.append(dst, first+n)
	}
	return append(dst, ']')
}

// writeStruct writes an object, and an array for a struct without names, as row() makes.
func writeStruct(c *column, dst []byte, i int) []byte {
	unnamed := len(c.typ.Fields) > 0 && c.typ.Fields[0].Name == ""
	open, end := byte('{'), byte('}')
	if unnamed {
		open, end = '[', ']'
	}
	dst = append(dst, open)
	for n, child := range c.children {
		if n > 0 {
			dst = append(dst, ',')
		}
		if !unnamed {
			dst = append(dst, c.literals[n]...)
		}
		dst = child.append(dst, i)
	}
	return append(dst, end)
}

func writeMap(c *column, dst []byte, i int) []byte {
	e := duck.Slice[duck.ListEntry](&c.vec)[i]
	dst = append(dst, '{')
	for n := range int(e.Length) {
		if n > 0 {
			dst = append(dst, ',')
		}
		start := len(dst)
		dst = c.children[0].append(dst, int(e.Offset)+n)
		if dst[start] != '"' {
			key := AppendString(nil, dst[start:])
			dst = append(dst[:start], key...)
		}
		dst = append(dst, ':')
		dst = c.children[1].append(dst, int(e.Offset)+n)
	}
	return append(dst, '}')
}

func writeUnion(c *column, dst []byte, i int) []byte {
	tag := duck.Slice[uint8](&c.children[0].vec)[i]
	return c.children[1+tag].append(dst, i)
}
