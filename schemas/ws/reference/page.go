package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const head = `# WebSocket protocol reference

Every message and every field. This page is made from [protocol.schema.json](../schemas/ws/protocol.schema.json) by ` + "`make gen`" + `; do not edit it.
[PROTOCOL.md](../schemas/ws/PROTOCOL.md) tells the rules of the conversation and the close codes.
`

// page is what has been written so far.
type page struct {
	defs object
	out  strings.Builder
}

func write(root object) string {
	p := &page{defs: root.at("$defs")}
	p.out.WriteString(head)
	messages := map[string]bool{"clientMessage": true, "serverMessage": true}
	for _, side := range []struct{ title, name string }{{"From the client", "clientMessage"}, {"From the server", "serverMessage"}} {
		p.line("\n## %s\n", side.title)
		names := p.messages(side.name)
		links := make([]string, len(names))
		for i, name := range names {
			links[i] = link(name)
			messages[name] = true
		}
		p.line("%s", strings.Join(links, " · "))
		for _, name := range names {
			p.message(name)
		}
	}
	p.line("\n## Shared by messages")
	for _, name := range p.defs.names {
		// What messages begin with is shown with each of them.
		if !messages[name] && !slices.Contains([]string{"reading", "acknowledgement"}, name) {
			p.shared(name)
		}
	}
	return p.out.String()
}

func (p *page) line(format string, args ...any) { fmt.Fprintf(&p.out, format+"\n", args...) }

// messages are the names in the oneOf of a side.
func (p *page) messages(side string) []string {
	var names []string
	for _, one := range p.defs.at(side).list("oneOf") {
		names = append(names, target(one.(object)))
	}
	return names
}

func target(o object) string { return strings.TrimPrefix(o.text("$ref"), "#/$defs/") }

func link(name string) string { return "[" + name + "](#" + strings.ToLower(name) + ")" }

func (p *page) message(name string) {
	def := p.defs.at(name)
	p.line("\n### %s\n", name)
	if text := p.description(def); text != "" {
		p.line("%s\n", text)
	}
	p.table(p.flat(def))
	for _, example := range def.list("examples") {
		p.line("\n```json\n%s\n```", compact(example))
	}
}

func (p *page) shared(name string) {
	def := p.defs.at(name)
	p.line("\n### %s\n", name)
	if text := def.text("description"); text != "" {
		p.line("%s\n", text)
	}
	if def.has("properties") {
		p.table(def)
		return
	}
	p.line("%s", sentence(p.kind(def)))
}

// description is the definition's own, or that of what it builds on.
func (p *page) description(def object) string {
	if text := def.text("description"); text != "" || !def.has("$ref") {
		return text
	}
	return p.defs.at(target(def)).text("description")
}

// flat is a definition with the fields of the one that it builds on. Where both have a field, what each says of it counts.
func (p *page) flat(def object) object {
	if !def.has("$ref") {
		return def
	}
	base := p.defs.at(target(def))
	fields := object{fields: map[string]any{}}
	for _, from := range []object{def.at("properties"), base.at("properties")} {
		for _, name := range from.names {
			merged := object{fields: map[string]any{}}
			for _, side := range []object{base.at("properties").at(name), def.at("properties").at(name)} {
				for _, key := range side.names {
					merged.set(key, side.fields[key])
				}
			}
			fields.set(name, merged)
		}
	}
	all := object{fields: map[string]any{}}
	all.set("required", append(slices.Clone(base.list("required")), def.list("required")...))
	all.set("properties", fields)
	return all
}

func (p *page) table(def object) {
	p.line("| field | | what |\n|---|---|---|")
	fields := def.at("properties")
	for _, name := range fields.names {
		field := fields.at(name)
		need := "optional"
		if slices.Contains(def.list("required"), any(name)) {
			need = "required"
		}
		what := p.kind(field)
		if text := field.text("description"); text != "" {
			what += ". " + text
		}
		p.line("| `%s` | %s | %s |", name, need, strings.ReplaceAll(sentence(what), "|", `\|`))
	}
}

// kind says what values a schema takes.
func (p *page) kind(s object) string {
	var parts []string
	switch {
	case s.has("const"):
		return "`" + compact(s.fields["const"]) + "`"
	case s.has("enum"):
		var values []string
		for _, v := range s.list("enum") {
			values = append(values, "`"+compact(v)+"`")
		}
		parts = append(parts, strings.Join(values, ", "))
	case s.has("$ref"):
		parts = append(parts, link(target(s)))
	case s.has("oneOf"):
		var kinds []string
		for _, one := range s.list("oneOf") {
			kinds = append(kinds, p.kind(one.(object)))
		}
		parts = append(parts, strings.Join(kinds, ", or "))
	case s.text("type") == "array":
		parts = append(parts, "array of "+p.kind(s.at("items")))
	case s.text("type") == "object" && s.has("properties"):
		parts = append(parts, "object with "+p.fieldList(s))
	default:
		parts = append(parts, types(s.fields["type"]))
	}
	for _, bound := range []struct{ key, text string }{
		{"minItems", "at least %s"}, {"maxItems", "at most %s"}, {"minLength", "length from %s"}, {"maxLength", "length to %s"},
		{"minimum", "from %s"}, {"maximum", "to %s"}, {"default", "default `%s`"},
	} {
		if s.has(bound.key) {
			parts = append(parts, fmt.Sprintf(bound.text, compact(s.fields[bound.key])))
		}
	}
	return strings.Join(parts, ", ")
}

func (p *page) fieldList(s object) string {
	fields := s.at("properties")
	texts := make([]string, len(fields.names))
	for i, name := range fields.names {
		texts[i] = fmt.Sprintf("`%s` (%s)", name, p.kind(fields.at(name)))
	}
	return strings.Join(texts, ", ")
}

func types(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		names := make([]string, len(v))
		for i, name := range v {
			names[i] = fmt.Sprint(name)
		}
		return strings.Join(names, " or ")
	}
	return "any value"
}

func sentence(text string) string {
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}

func compact(v any) string {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // what was read from JSON can be written
	}
	return strings.TrimSpace(text.String())
}
