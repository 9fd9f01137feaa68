package profile

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
)

// all is what the two files together hold, for a test to compare.
type all struct{ profiles, sessions map[string]settings }

func parseBoth(config, credentials string) (all, error) {
	s, err := parseConfig(config)
	if err != nil {
		return all{}, err
	}
	c, err := parseCredentials(credentials)
	if err != nil {
		return all{}, err
	}
	s.add(c)
	return all(s), nil
}

func TestParse(t *testing.T) {
	type m = map[string]settings
	x := func(pairs ...string) m {
		s := settings{}
		for i := 0; i < len(pairs); i += 2 {
			s[pairs[i]] = pairs[i+1]
		}
		return m{"x": s}
	}
	for _, c := range []struct {
		rule                string
		config, credentials string
		want                m
		sessions            m
		err                 error // of the last line
	}{
		// Files and sections.
		{rule: "nothing at all"},
		{rule: "blank lines and comments only", config: "\n \t\n# a\n;b\n  # c\n\t;\n"},
		{rule: "a section without properties", config: "[profile x]", want: x()},
		{rule: "an empty credentials section", credentials: "[x]", want: x()},
		{rule: "a title that does not end", config: "[profile x\n", err: errTitle},
		{rule: "text after a title", config: "[profile x] y", err: errTitle},
		{rule: "a title that a comment cuts", config: "[profile x # y]", err: errTitle},
		{rule: "white space in a title", config: "[ \tprofile \t x \t]\t", want: x()},
		{rule: "white space in a credentials title", credentials: "[\tx ]", want: x()},
		{rule: "a comment after a title, with and without space", config: "[profile x];a\n[profile y] # b", want: m{"x": {}, "y": {}}},
		{rule: "config: no prefix", config: "[x]\na = 1\n[profilex]\na = 2"},
		{rule: "config: a prefix without a name", config: "[profile]\na = 1\n[profile ]\na = 2\n[]\na = 3"},
		{rule: "config: prefixes are in lower case", config: "[Profile x]\na = 1"},
		{rule: "config: another kind of section", config: "[services x]\ns3 =\n  endpoint_url = http://h\n[plugins]\na = b"},
		{rule: "credentials: prefixed", credentials: "[profile x]\na = 1\n[sso-session x]\na = 1\n[services\tx]\na = 1\n[]\na = 1"},
		{rule: "credentials: a name that only looks prefixed", credentials: "[sso-sessionx]\na = 1\n[profile]\na = 2", want: m{"sso-sessionx": {"a": "1"}, "profile": {"a": "2"}}},
		{rule: "config: default without a prefix", config: "[default]\na = 1", want: m{"default": {"a": "1"}}},
		{rule: "[profile default] first beats [default]", config: "[profile default]\na = 1\n[default]\na = 2\nb = 2", want: m{"default": {"a": "1"}}},
		{rule: "[profile default] last beats [default]", config: "[default]\na = 2\nb = 2\n[profile default]\na = 1", want: m{"default": {"a": "1"}}},
		{rule: "[profile default] empty beats [default]", config: "[default]\na = 2\n[profile default]", want: m{"default": {}}},
		{rule: "[default] of the credentials file is another matter", config: "[profile default]\na = 1\n[default]\nb = 2", credentials: "[default]\nc = 3", want: m{"default": {"a": "1", "c": "3"}}},
		{rule: "names with signs", config: "[profile a-b/c.d%e@f_g:h+1]\na = 1", want: m{"a-b/c.d%e@f_g:h+1": {"a": "1"}}},
		{rule: "names keep their case", config: "[profile X]\na = 1\n[profile x]\na = 2", want: m{"X": {"a": "1"}, "x": {"a": "2"}}},
		{rule: "a name with a space, in quotes", config: "[profile \"x y\"]\na = 1\n[profile 'z z']", credentials: "[x y]\nb = 2", want: m{"x y": {"a": "1", "b": "2"}, "z z": {}}},
		{rule: "a name with a space, without quotes", config: "[profile x y]\na = 1\n[profile x]", want: x()},
		{rule: "sso-session", config: "[sso-session x]\na = 1\n[profile x]\nb = 2", want: x("b", "2"), sessions: m{"x": {"a": "1"}}},

		// Merging.
		{rule: "a section twice", config: "[profile x]\na = 1\nb = 1\n[profile y]\n[profile x]\nb = 2\nc = 2", want: m{"x": {"a": "1", "b": "2", "c": "2"}, "y": {}}},
		{rule: "a credentials section twice", credentials: "[x]\na = 1\nb = 1\n[x]\nb = 2", want: x("a", "1", "b", "2")},
		{rule: "sso-session twice", config: "[sso-session x]\na = 1\n[sso-session x]\nb = 1", sessions: m{"x": {"a": "1", "b": "1"}}},
		{rule: "a property twice", config: "[profile x]\na = 1\na = 2", want: x("a", "2")},
		{rule: "a property twice, in another case", config: "[profile x]\nReGion = 1\nREGION = 2", want: x("region", "2")},
		{rule: "both files", config: "[profile x]\na = 1\nb = 1", credentials: "[x]\nb = 2\nc = 2", want: x("a", "1", "b", "2", "c", "2")},
		{rule: "both files, in another case", config: "[profile x]\na = 1", credentials: "[x]\nA = 2", want: x("a", "2")},
		{rule: "a key of the credentials file without a token", config: "[profile x]\naws_access_key_id = C\naws_secret_access_key = C\naws_session_token = C", credentials: "[x]\naws_access_key_id = K\naws_secret_access_key = K", want: x("aws_access_key_id", "K", "aws_secret_access_key", "K")},
		{rule: "a key of the config file with a token", config: "[profile x]\naws_access_key_id = C\naws_session_token = C", credentials: "[x]\nregion = r", want: x("aws_access_key_id", "C", "aws_session_token", "C", "region", "r")},

		// Properties.
		{rule: "outside of a section", config: "a = 1", err: errNoSection},
		{rule: "the first = splits", config: "[profile x]\na = b=c==", want: x("a", "b=c==")},
		{rule: "no spaces", config: "[profile x]\na=1", want: x("a", "1")},
		{rule: "white space around", config: "[profile x]\na \t=\t 1 2\t ", want: x("a", "1 2")},
		{rule: "no value", config: "[profile x]\na =\nb=", want: x("a", "", "b", "")},
		{rule: "no name", config: "[profile x]\n= 1", err: errNoName},
		{rule: "no =", config: "[profile x]\na : 1", err: errNoEquals},
		{rule: "no =, in a section that is not for us", config: "[x]\na", err: errNoEquals},
		{rule: "a name with a space", config: "[profile x]\na b = 1", want: x("a b", "1")},
		{rule: "Unicode in a value", config: "[profile x]\na = ü 😂", want: x("a", "ü 😂")},
		{rule: "no quotes to take off a value", config: "[profile x]\na = \"1\"", want: x("a", "\"1\"")},
		{rule: "CRLF", config: "[profile x]\r\na = 1\r\n\r\n# c\r\nb =\r\n  c = 2\r\n", want: x("a", "1", "b", "\nc = 2")},
		{rule: "a byte order mark", config: "\ufeff[profile x]\na = 1", credentials: "\ufeff[x]\nb = 2", want: x("a", "1", "b", "2")},

		// Comments.
		{rule: "a comment after a space", config: "[profile x]\na = 1 # c # d\nb = 2\t; c", want: x("a", "1", "b", "2")},
		{rule: "an empty comment", config: "[profile x]\na = 1 ;\n#", want: x("a", "1")},
		{rule: "no space, no comment", config: "[profile x]\na = 1;2\nb = 1#2\nc = 1;2 #3", want: x("a", "1;2", "b", "1#2", "c", "1;2")},
		{rule: "a comment in place of a value", config: "[profile x]\na = # 1", want: x("a", "")},
		{rule: "a sign right after the =", config: "[profile x]\na =#1", want: x("a", "#1")},
		{rule: "a comment before the =", config: "[profile x]\na # = 1", err: errNoEquals},

		// Indented lines.
		{rule: "a value goes on", config: "[profile x]\na = 1\n 2\n\t 3 \t\nb = 4", want: x("a", "1\n2\n3", "b", "4")},
		{rule: "a comment in there is data", config: "[profile x]\na = 1\n 2 # c\n 3 ; d", want: x("a", "1\n2 # c\n3 ; d")},
		{rule: "a line that is all comment is none", config: "[profile x]\na = 1\n # c\n 2", want: x("a", "1\n2")},
		{rule: "blank lines in there", config: "[profile x]\na = 1\n\n \t\n 2", want: x("a", "1\n2")},
		{rule: "an = in there", config: "[profile x]\na = 1\n b = 2", want: x("a", "1\nb = 2")},
		{rule: "a title in there", config: "[profile x]\na = 1\n [profile y]", want: x("a", "1\n[profile y]")},
		{rule: "before a section", config: " a", err: errNoSection},
		{rule: "nothing to go on with", config: "[profile x]\n a = 1", err: errNoProperty},
		{rule: "a title ends a property", config: "[profile x]\na = 1\n[profile x]\n 2", err: errNoProperty},
		{rule: "in a section that is not for us", config: "[x]\na = 1\n 2\n[profile x]", want: x()},
		{rule: "sub-properties", config: "[profile x]\ns3 =\n  a = 1\n\n  B = 2\nc = 3", want: x("s3", "\na = 1\nB = 2", "c", "3")},
		{rule: "sub-properties are no properties", config: "[profile x]\nregion = 1\ns3 =\n  region = 2", want: x("region", "1", "s3", "\nregion = 2")},
		{rule: "sub-properties below a comment", config: "[profile x]\ns3 = # c\n  a = 1", want: x("s3", "\na = 1")},
		{rule: "a sub-property without a value", config: "[profile x]\ns3 =\n  a =", want: x("s3", "\na =")},
		{rule: "a sub-property with a space in its name", config: "[profile x]\ns3 =\n  a b = 1", want: x("s3", "\na b = 1")},
		{rule: "a sub-property without a name", config: "[profile x]\ns3 =\n  = 1", err: errSubNameless},
		{rule: "a sub-property without =", config: "[profile x]\ns3 =\n  a", err: errSubEquals},
	} {
		got, err := parseBoth(c.config, c.credentials)
		if c.err != nil {
			line := strings.Count(strings.TrimSuffix(c.config, "\n"), "\n") + 1
			if want := fmt.Sprintf("line %d: %v", line, c.err); err == nil || err.Error() != want {
				t.Errorf("%s: %v, want %s", c.rule, err, want)
			}
			continue
		}
		want := all{profiles: m{}, sessions: m{}}
		maps.Copy(want.profiles, c.want)
		maps.Copy(want.sessions, c.sessions)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %q, %v; want %q", c.rule, got, err, want)
		}
	}
}

// What can't be parsed may be a secret.
func TestParseErrorsQuoteNothing(t *testing.T) {
	for _, text := range []string{
		"SECRET", " SECRET", "SECRET = 1", "[SECRET", "[x] SECRET", "[x]\nSECRET", "[x]\n SECRET", "[x]\n= SECRET", "[x]\na =\n SECRET", "[x]\na =\n = SECRET",
	} {
		_, err := parseCredentials(text)
		if err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What the parser keeps was in the file, and what it says of an error too.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "\ufeff[default]\r\nregion = eu-west-1\r\n", "[profile x]\na = 1 # c\n b\n\tc\ns3 =\n  d = 2\n", "[sso-session x]\nA=;\n",
		"[profile \"x y\"]\na", "[profile x\n", "= 1", " a", "[default]\n[profile default]\n a = 1", "[x]\naws_access_key_id = A;B\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func(string) (sections, error){parseConfig, parseCredentials} {
			s, err := parse(text)
			if err != nil {
				var at *lineError
				if !errors.As(err, &at) || at.line < 1 || at.line > strings.Count(text, "\n")+1 {
					t.Errorf("%v", err)
				}
				continue
			}
			kept := 0
			for _, in := range []map[string]settings{s.profiles, s.sessions} {
				for name, of := range in {
					if name == "" || !strings.Contains(text, name) {
						t.Errorf("section %q is not in the file", name)
					}
					for property, value := range of {
						if property == "" || property != strings.ToLower(property) || strings.Contains(property, "=") {
							t.Errorf("property %q", property)
						}
						for line := range strings.SplitSeq(value, "\n") {
							if line != strings.Trim(line, blank) || !strings.Contains(text, line) {
								t.Errorf("value %q is not in the file", line)
							}
						}
						kept += len(value)
					}
				}
			}
			if kept > len(text) {
				t.Errorf("%d bytes of values out of %d", kept, len(text))
			}
		}
	})
}
