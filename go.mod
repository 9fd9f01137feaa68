module github.com/go-awsauth/awsauth

go 1.25
