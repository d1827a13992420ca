package sandbox

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/chittihq/duckling/services/gateway/internal/dialect"
)

// growing are the functions that make a value as large as a number says, inside of one step that DuckDB cannot stop.
// Each has the largest number that may be written for it. A number that comes from a column or a parameter is not seen
// here: what takes too long is ended from outside.
var growing = map[string]float64{
	"repeat": maxText, "lpad": maxText, "rpad": maxText, "space": maxText, "bar": maxText, "bitstring": maxText,
	"range": maxList, "generate_series": maxList, "list_resize": maxList, "array_resize": maxList,
}

const (
	maxText = 100e6 // bytes
	maxList = 10e6  // elements
)

// What a statement may consist of. DuckDB takes time that grows with the square of it to plan one, which nothing stops, and memory
// that its limit does not count: 50,000 SELECTs in a UNION took more than the machine had.
const (
	maxSQL         = 256 << 10 // bytes
	maxQueries     = 500       // SELECTs, and joins
	maxExpressions = 20000     // but for constants, so that a long IN list is none
	maxConditions  = 4000      // AND and OR
	maxSigns       = 16        // + and - in a row
	maxLooks       = 1 << 20   // of the lexer at operators, see dialect.Operators

	maxSubqueries = 10  // in the expressions of one another: with each the time doubles, to minutes at thirty
	maxLambdas    = 10  // likewise
	maxCalls      = 150 // of functions in one another's arguments
)

// unfit judges a statement by its text, before the parser does, which takes seconds for long chains.
func unfit(sql string) *RefusedError {
	if len(sql) > maxSQL {
		return &RefusedError{Reason: fmt.Sprintf("the statement has %d bytes; at most %d are allowed: send a long list of values as a parameter, IN (SELECT unnest(?))", len(sql), maxSQL), Offset: -1}
	}
	if !utf8.ValidString(sql) || strings.IndexByte(sql, 0) >= 0 {
		// DuckDB ends the process for bytes that are no text, and reads no further than a zero.
		return &RefusedError{Reason: "the statement is not UTF-8 without zero bytes", Syntax: true, Offset: -1}
	}
	switch signs, looks := dialect.Operators(sql); {
	case signs > maxSigns:
		return &RefusedError{Reason: fmt.Sprintf("the statement has more than %d signs in a row", maxSigns), Offset: -1}
	case looks > maxLooks:
		return &RefusedError{Reason: "the statement has too many operators and comments in a row", Offset: -1}
	}
	if len(sql) < maxConditions {
		return nil
	}
	conditions, queries := 0, 0
	for word := range strings.FieldsFuncSeq(sql, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) {
		switch strings.ToUpper(word) {
		case "AND", "OR":
			conditions++
		case "UNION", "EXCEPT", "INTERSECT", "JOIN":
			queries++
		}
	}
	switch {
	case conditions > maxConditions:
		return &RefusedError{Reason: fmt.Sprintf("the statement has more than %d conditions", maxConditions), Offset: -1}
	case queries > maxQueries:
		return &RefusedError{Reason: fmt.Sprintf("the statement has more than %d SELECTs and joins", maxQueries), Offset: -1}
	}
	return nil
}

// weight counts what a statement consists of.
type weight struct{ queries, expressions int }

// add counts one node and refuses the one that is too many.
func (w *weight) add(n node, class, kind string) error {
	switch {
	case class != "" && class != "CONSTANT":
		if w.expressions++; w.expressions > maxExpressions {
			return refuse(n, "the statement has more than %d expressions", maxExpressions)
		}
	case kind == "SELECT_NODE", kind == "JOIN":
		if w.queries++; w.queries > maxQueries {
			return refuse(n, "the statement has more than %d SELECTs and joins", maxQueries)
		}
	}
	return nil
}

// nesting is how deep a node is in what takes DuckDB ever longer to plan.
type nesting struct{ subqueries, lambdas, calls int }

// enter counts a node in, and refuses it when that is too deep.
func (d *nesting) enter(n node) error {
	switch text(n, "class") {
	case "SUBQUERY":
		if d.subqueries++; d.subqueries > maxSubqueries {
			return refuse(n, "the statement has more than %d subqueries in one another's expressions", maxSubqueries)
		}
	case "LAMBDA":
		if n[isLambda] == nil {
			return nil // JSON's arrow
		}
		if d.lambdas++; d.lambdas > maxLambdas {
			return refuse(n, "the statement has more than %d lambdas in one another", maxLambdas)
		}
	case "FUNCTION":
		if n["is_operator"] == true {
			return nil
		}
		if d.calls++; d.calls > maxCalls {
			return refuse(n, "the statement has more than %d calls in one another's arguments", maxCalls)
		}
	}
	return nil
}

// tooLarge tells whether a call makes too large a value of numbers in its text.
func tooLarge(call node) bool {
	most, ok := growing[strings.ToLower(text(call, "function_name"))]
	return ok && size(call) > most
}

// size is the largest number among a call's arguments; for repeat of a repeat, their product.
func size(call node) float64 {
	largest := 0.0
	inner := 1.0
	children, _ := call["children"].([]any)
	for _, child := range children {
		child, ok := child.(node)
		if !ok {
			continue
		}
		if growing[strings.ToLower(text(child, "function_name"))] > 0 {
			inner = math.Max(inner, size(child))
		} else if n, ok := number(child); ok {
			largest = math.Max(largest, math.Abs(n))
		}
	}
	return math.Max(largest, 1) * inner
}

// number is the value of an expression of nothing but numbers.
func number(n node) (float64, bool) {
	switch text(n, "class") {
	case "CONSTANT":
		value, _ := n["value"].(node)
		switch v := value["value"].(type) {
		case float64:
			return v, true
		case node: // wider than 64 bits
			upper, ok := v["upper"].(float64)
			return upper * math.Pow(2, 64), ok
		}
	case "CAST":
		if child, ok := n["child"].(node); ok {
			return number(child)
		}
	case "FUNCTION":
		children, _ := n["children"].([]any)
		values := make([]float64, 0, len(children))
		for _, child := range children {
			child, ok := child.(node)
			if !ok {
				return 0, false
			}
			v, ok := number(child)
			if !ok {
				return 0, false
			}
			values = append(values, v)
		}
		return arithmetic(text(n, "function_name"), values)
	}
	return 0, false
}

func arithmetic(name string, v []float64) (float64, bool) {
	if len(v) == 1 {
		return v[0], name == "-" || name == "+"
	}
	if len(v) != 2 {
		return 0, false
	}
	switch name {
	case "+", "-":
		return math.Abs(v[0]) + math.Abs(v[1]), true
	case "*":
		return v[0] * v[1], true
	case "/", "//":
		return v[0] / v[1], true
	case "**", "^", "pow", "power":
		return math.Pow(v[0], v[1]), true
	case "<<":
		return v[0] * math.Pow(2, v[1]), true
	}
	return 0, false
}
