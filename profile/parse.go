package profile

import (
	"errors"
	"fmt"
	"maps"
	"strings"
)

// settings are the properties of one section, by name in lower case.
type settings map[string]string

// get returns a property without the white space around it. Blank is unset.
func (s settings) get(name string) string { return strings.TrimSpace(s[name]) }

// sections are what the files hold.
type sections struct {
	profiles map[string]settings
	sessions map[string]settings // [sso-session NAME]
}

const blank = " \t\r\v\f"

// parseConfig reads ~/.aws/config: [default], [profile NAME], [sso-session NAME].
// Other sections are not for us.
func parseConfig(text string) (sections, error) {
	s := sections{profiles: map[string]settings{}, sessions: map[string]settings{}}
	plain := settings(nil)
	err := parse(text, func(title string) settings {
		if title == "default" {
			plain = section(plain)
			return plain
		}
		kind, name, _ := strings.Cut(strings.ReplaceAll(title, "\t", " "), " ")
		if name = unquote(strings.Trim(name, blank)); name == "" {
			return settings{}
		}
		switch kind {
		case "profile":
			return open(s.profiles, name)
		case "sso-session":
			return open(s.sessions, name)
		}
		return settings{}
	})
	// [profile default] puts [default] aside, wherever it stands.
	if plain != nil && s.profiles["default"] == nil {
		s.profiles["default"] = plain
	}
	return s, err
}

// parseCredentials reads ~/.aws/credentials: [NAME], without a prefix.
func parseCredentials(text string) (sections, error) {
	s := sections{profiles: map[string]settings{}}
	err := parse(text, func(title string) settings {
		kind, _, prefixed := strings.Cut(strings.ReplaceAll(title, "\t", " "), " ")
		if title == "" || prefixed && (kind == "profile" || kind == "sso-session" || kind == "services") {
			return settings{}
		}
		return open(s.profiles, title)
	})
	return s, err
}

// add lays the credentials file over s. Its properties win. A token in the config
// file belongs to the key beside it, not to the key of the credentials file.
func (s sections) add(credentials sections) {
	for name, from := range credentials.profiles {
		to := open(s.profiles, name)
		if from.get("aws_access_key_id") != "" {
			delete(to, "aws_session_token")
		}
		maps.Copy(to, from)
	}
}

func section(s settings) settings {
	if s == nil {
		s = settings{}
	}
	return s
}

// open returns the named section, for more of its lines: duplicates merge.
func open(in map[string]settings, name string) settings {
	in[name] = section(in[name])
	return in[name]
}

// unquote returns a name as it stands, or from within quotes, as the AWS CLI
// writes a name with white space. Without quotes such a name is none.
func unquote(name string) string {
	if n := len(name); n >= 2 && name[0] == name[n-1] && (name[0] == '"' || name[0] == '\'') {
		return name[1 : n-1]
	}
	if strings.ContainsAny(name, blank) {
		return ""
	}
	return name
}

// A lineError is what is wrong in which line. It never has a part of the line,
// which may be a secret.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }

var (
	errTitle       = errors.New("a section's title must end with ]")
	errNoSection   = errors.New("it stands before the first [section]")
	errNoEquals    = errors.New("it is not NAME = VALUE")
	errNoName      = errors.New("there is no name before the =")
	errNoProperty  = errors.New("it is indented, and there is no property that it could continue")
	errSubEquals   = errors.New("below a property without a value, an indented line must be NAME = VALUE")
	errSubNameless = errors.New("below a property without a value, an indented line needs a name before the =")
)

// parse reads the lines of a file. title is called for each [title], and returns
// where to put what stands below it.
func parse(text string, title func(string) settings) error {
	var (
		in    settings        // nil: no section yet
		name  string          // the property that an indented line continues; "": none
		value strings.Builder // of that property
		nest  bool            // its own line has no value: sub-properties follow
	)
	end := func() {
		if name != "" {
			in[name] = value.String()
		}
		name = ""
		value.Reset()
	}
	number := 0
	for line := range strings.SplitSeq(strings.TrimPrefix(text, "\ufeff"), "\n") {
		number++
		fail := func(err error) error { return &lineError{number, err} }
		content := strings.Trim(line, blank)
		switch {
		case content == "", content[0] == '#', content[0] == ';':

		case line[0] == ' ' || line[0] == '\t':
			switch {
			case in == nil:
				return fail(errNoSection)
			case name == "":
				return fail(errNoProperty)
			case nest:
				sub, _, ok := strings.Cut(content, "=")
				if !ok {
					return fail(errSubEquals)
				}
				if strings.Trim(sub, blank) == "" {
					return fail(errSubNameless)
				}
			}
			// What looks like a comment in here is data.
			value.WriteByte('\n')
			value.WriteString(content)

		case line[0] == '[':
			end()
			if i := strings.IndexAny(content, "#;"); i >= 0 {
				content = strings.TrimRight(content[:i], blank)
			}
			inner, ok := strings.CutSuffix(content[1:], "]")
			if !ok {
				return fail(errTitle)
			}
			in = title(strings.Trim(inner, blank))

		default:
			end()
			if in == nil {
				return fail(errNoSection)
			}
			before, after, ok := strings.Cut(uncomment(content), "=")
			if !ok {
				return fail(errNoEquals)
			}
			name = strings.ToLower(strings.Trim(before, blank))
			if name == "" {
				return fail(errNoName)
			}
			after = strings.Trim(after, blank)
			value.WriteString(after)
			nest = after == ""
		}
	}
	end()
	return nil
}

// uncomment cuts off a comment: # or ; after white space. Without white space it
// is data, such as in a secret.
func uncomment(line string) string {
	for i := 1; i < len(line); i++ {
		if (line[i] == '#' || line[i] == ';') && strings.IndexByte(blank, line[i-1]) >= 0 {
			return line[:i]
		}
	}
	return line
}
