package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/go-awsauth/awsauth"
	"github.com/go-awsauth/awsauth/examples/internal/demo"
)

func demonstrate(out io.Writer) error {
	return demo.Run(out, "dynamodb", &music{}, walkThrough)
}

func walkThrough(out io.Writer, t *awsauth.Transport) error {
	songs := table{&http.Client{Transport: t}, "eu-west-1", "Music"}
	for _, title := range []string{"My Dog Spot", "Call Me Today"} {
		if err := songs.add(out, "No One You Know", title); err != nil {
			return err
		}
	}
	none := table{songs.client, "eu-west-1", "Films"}
	fmt.Fprintln(out, "another table:", none.add(out, "Nobody", "Nothing"))
	return nil
}

// music stands for DynamoDB with one table, whose queries have a page an item. It
// is busy at first.
type music struct {
	mu    sync.Mutex // guards all below
	calls int
	songs []item
}

func (m *music) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calls++; m.calls == 1 {
		demo.Fail(w, http.StatusInternalServerError, "com.amazonaws.dynamodb.v20120810#InternalServerError", "try again")
		return
	}
	var in struct {
		TableName                                               string
		Item, Key, ExpressionAttributeValues, ExclusiveStartKey item
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.TableName != "Music" {
		demo.Fail(w, http.StatusBadRequest, "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "Requested resource not found")
		return
	}
	switch action := r.Header.Get("X-Amz-Target"); action {
	case "DynamoDB_20120810.PutItem":
		if at, there := slices.BinarySearchFunc(m.songs, in.Item, compare); !there {
			m.songs = slices.Insert(m.songs, at, in.Item)
		}
		io.WriteString(w, "{}")
	case "DynamoDB_20120810.GetItem":
		answer := map[string]item{}
		if at, there := slices.BinarySearchFunc(m.songs, in.Key, compare); there {
			answer["Item"] = m.songs[at]
		}
		json.NewEncoder(w).Encode(answer)
	case "DynamoDB_20120810.Query":
		start := in.ExclusiveStartKey
		if start == nil {
			start = item{"Artist": in.ExpressionAttributeValues[":artist"]}
		}
		at, there := slices.BinarySearchFunc(m.songs, start, compare)
		if there {
			at++
		}
		answer := map[string]any{"Items": m.songs[at:min(at+1, len(m.songs))]}
		if at < len(m.songs) {
			answer["LastEvaluatedKey"] = m.songs[at]
		}
		json.NewEncoder(w).Encode(answer)
	default:
		demo.Fail(w, http.StatusBadRequest, "com.amazon.coral.service#UnknownOperationException", "there is no %s", action)
	}
}

func compare(a, b item) int {
	return cmp.Or(cmp.Compare(a["Artist"]["S"], b["Artist"]["S"]), cmp.Compare(a["Title"]["S"], b["Title"]["S"]))
}
