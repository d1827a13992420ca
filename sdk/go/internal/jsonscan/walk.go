package jsonscan

import "fmt"

// Elements calls each with the bounds of every element of the array that opens at i,
// and returns the index just past the array. Each element is checked.
func Elements(b []byte, i int, each func(start, end int)) (int, error) {
	if i = Space(b, i); i >= len(b) {
		return i, ErrTruncated
	}
	if b[i] != '[' {
		return i, fmt.Errorf("a JSON array is needed at byte %d, not %q", i, b[i])
	}
	if i = Space(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1, nil
	}
	for {
		i = Space(b, i)
		end, err := value(b, i, 1)
		if err != nil {
			return end, err
		}
		each(i, end)
		if i = Space(b, end); i >= len(b) {
			return i, ErrTruncated
		}
		switch b[i] {
		case ',':
			i++
		case ']':
			return i + 1, nil
		default:
			return i, unexpected(b, i, "after an element")
		}
	}
}

// Members calls each with the name (quoted, still escaped) of every member of the object
// that opens at i, and with the index where its value begins; each returns the index just
// past the value, which Value finds for it. Members returns the index just past the object.
func Members(b []byte, i int, each func(name []byte, start int) (end int, err error)) (int, error) {
	if i = Space(b, i); i >= len(b) {
		return i, ErrTruncated
	}
	if b[i] != '{' {
		return i, fmt.Errorf("a JSON object is needed at byte %d, not %q", i, b[i])
	}
	if i = Space(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1, nil
	}
	for {
		name, start, err := Key(b, i)
		if err != nil {
			return start, err
		}
		end, err := each(name, start)
		if err != nil {
			return end, err
		}
		if i = Space(b, end); i >= len(b) {
			return i, ErrTruncated
		}
		switch b[i] {
		case ',':
			i++
		case '}':
			return i + 1, nil
		default:
			return i, unexpected(b, i, "after a member")
		}
	}
}
