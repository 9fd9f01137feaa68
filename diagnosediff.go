package awsauth

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A difference is one between what was signed and what a server received.
type difference struct {
	what             string // such as "the method"
	signed, received string // fit to be shown; "": not to be shown
}

// changes tells of differences in words.
func changes(diffs []difference) string {
	const most = 3
	var words []string
	for i, diff := range diffs {
		if i == most {
			words = append(words, fmt.Sprintf("and %d more", len(diffs)-most))
			break
		}
		how := " was changed"
		switch nothing {
		case diff.signed:
			how = " was added"
		case diff.received:
			how = " was removed"
		}
		words = append(words, diff.what+how)
	}
	return strings.Join(words, ", ")
}

const nothing = "(nothing)"

// compare compares two canonical requests. A header that is empty is taken for one
// that did not arrive: servers write both alike.
func compare(signed, received string) []difference {
	ours, ok := parseCanonical(signed)
	theirs, ok2 := parseCanonical(received)
	if !ok || !ok2 {
		if signed == received {
			return nil
		}
		return []difference{{what: "the canonical request"}}
	}
	var diffs []difference
	add := func(what, ours, theirs string) {
		if ours != theirs {
			ours, theirs = shownPair(ours, theirs)
			diffs = append(diffs, difference{what, ours, theirs})
		}
	}
	add("the method", ours.method, theirs.method)
	path := "the path"
	if a, err := url.PathUnescape(ours.path); err == nil {
		if b, err := url.PathUnescape(theirs.path); err == nil && (a == b || a == theirs.path || ours.path == b) {
			path = "the encoding of the path"
		}
	}
	add(path, ours.path, theirs.path)
	diffs = append(diffs, comparePairs("the query parameter ", "=", ours.query, theirs.query)...)
	diffs = append(diffs, comparePairs("the header ", ":", ours.headers, theirs.headers)...)
	add("the list of signed headers", ours.names, theirs.names)
	// What is not known does not differ, and what a header says too is told once.
	if ours.payload != "" && theirs.payload != "" && ours.headers["x-amz-content-sha256"] == theirs.headers["x-amz-content-sha256"] {
		what := "the body"
		if !isHash(ours.payload) || !isHash(theirs.payload) {
			what = "the way in which the body is signed"
		}
		add(what, ours.payload, theirs.payload)
	}
	return diffs
}

// compareToSign compares two strings to sign, whose canonical requests are the same
// as far as is known.
func compareToSign(signed, received string) []difference {
	ours, theirs := strings.Split(signed, "\n"), strings.Split(received, "\n")
	what := []string{"the algorithm", "the time of the signature", "the credential scope", "the canonical request"}
	if len(ours) != len(what) || len(theirs) != len(what) {
		return []difference{{what: "the string to sign"}}
	}
	var diffs []difference
	for i := range what {
		if ours[i] != theirs[i] {
			diffs = append(diffs, difference{what[i], shown(ours[i]), shown(theirs[i])})
		}
	}
	return diffs
}

// canonicalParts are a canonical request taken apart.
type canonicalParts struct {
	method, path   string
	query, headers map[string]string // values of one name are joined
	names, payload string
}

// parseCanonical takes a canonical request apart.
func parseCanonical(text string) (c canonicalParts, ok bool) {
	lines := strings.Split(text, "\n")
	last := len(lines) - 1
	if last < 5 || lines[last-2] != "" {
		return c, false
	}
	return canonicalParts{
		method: lines[0], path: lines[1],
		query: parsePairs(strings.Split(lines[2], "&"), "="), headers: parsePairs(lines[3:last-2], ":"),
		names: lines[last-1], payload: lines[last],
	}, true
}

func parsePairs(parts []string, separator string) map[string]string {
	values := make(map[string][]string)
	for _, part := range parts {
		name, value, _ := strings.Cut(part, separator)
		values[name] = append(values[name], value)
	}
	// Joined at once: an answer may repeat one name as often as it has room for.
	pairs := make(map[string]string, len(values))
	for name, all := range values {
		pairs[name] = strings.Join(all, ", ")
	}
	return pairs
}

// comparePairs compares headers or parameters by name.
func comparePairs(kind, separator string, signed, received map[string]string) []difference {
	there := func(pairs map[string]string, name string) bool {
		value, ok := pairs[name]
		return ok && name != "" && (value != "" || separator == "=")
	}
	var names []string
	for name := range signed {
		if there(signed, name) != there(received, name) || signed[name] != received[name] {
			names = append(names, name)
		}
	}
	for name := range received {
		if _, ok := signed[name]; !ok && there(received, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var diffs []difference
	for _, name := range names {
		ours, theirs := signed[name], received[name]
		if secretName(name) {
			ours, theirs = masked(ours), masked(theirs)
		}
		ours, theirs = shownPair(ours, theirs)
		line := shown(name) + separator
		diff := difference{kind + shown(name), line + ours, line + theirs}
		if !there(signed, name) {
			diff.signed = nothing
		}
		if !there(received, name) {
			diff.received = nothing
		}
		diffs = append(diffs, diff)
	}
	return diffs
}

// secretName reports whether a header or a parameter is named like a secret, as are
// session tokens, S3's customer-provided keys and what APIs have of their own.
func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"token", "secret", "password", "signature", "authorization", "cookie"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return strings.HasSuffix(name, "key")
}

// masked is what is shown of a secret. hider has been there before.
func masked(value string) string {
	if value == "" || strings.HasSuffix(value, "not shown)") {
		return value
	}
	return fmt.Sprintf("(%d bytes, not shown)", len(value))
}

// maxShown is how much of a text is shown, in bytes.
const maxShown = 256

// shown makes a text of others fit to be shown: in one line, visible, and not long.
func shown(text string) string {
	cut := ""
	if len(text) > maxShown {
		text, cut = strings.ToValidUTF8(text[:maxShown], ""), "…"
	}
	quoted := strconv.QuoteToGraphic(text)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1:len(quoted)-1]) + cut
}

// shownPair does that for two texts, and shows where they differ.
func shownPair(a, b string) (string, string) {
	same := 0
	for same < min(len(a), len(b)) && a[same] == b[same] {
		same++
	}
	if skip := same - maxShown/4; skip > 0 && max(len(a), len(b)) > maxShown {
		return "…" + shown(a[skip:]), "…" + shown(b[skip:])
	}
	return shown(a), shown(b)
}

func lastLine(s string) string { return s[strings.LastIndexByte(s, '\n')+1:] }
