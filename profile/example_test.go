package profile_test

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/profile"
)

// In a program, profile.Provider{} is all it takes; here the files are made up.
func ExampleProvider() {
	files := map[string]string{
		"config":      "[profile dev]\nregion = eu-west-1\n",
		"credentials": "[dev]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n",
	}
	dev := profile.Provider{
		Name: "dev",
		Getenv: func(name string) string {
			return map[string]string{"AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "credentials"}[name]
		},
		ReadFile: func(name string) ([]byte, error) {
			if text, ok := files[name]; ok {
				return []byte(text), nil
			}
			return nil, fs.ErrNotExist
		},
	}
	none := awsauth.Env{Getenv: func(string) string { return "" }}

	chain := awsauth.Chain{none, dev, &awsauth.EC2Role{}}
	fmt.Println(chain.Retrieve(context.Background()))
	fmt.Println(dev.Region())
	// Output:
	// awsauth.Credentials{AKIAIOSFODNN7EXAMPLE, secret not shown} <nil>
	// eu-west-1 <nil>
}
