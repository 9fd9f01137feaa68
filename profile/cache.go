package profile

import (
	"sync"

	"github.com/go-awsauth/awsauth"
)

// maxKept is how many sources' keys are kept. A program uses few profiles.
const maxKept = 64

// kept are the caches that all Providers share: used by value, a Provider has
// nowhere to keep one.
var kept caches

// caches are the last maxKept caches made.
type caches struct {
	mu    sync.Mutex
	byID  map[id]awsauth.Provider
	order []id // the oldest first
}

// cache returns the cache of the source with this id; p is one such source.
func (c *caches) cache(key id, p awsauth.Provider) awsauth.Provider {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.byID[key]; old != nil {
		return old
	}
	if c.byID == nil {
		c.byID = map[id]awsauth.Provider{}
	}
	if len(c.order) == maxKept {
		delete(c.byID, c.order[0])
		c.order = append(c.order[:0], c.order[1:]...)
	}
	c.order = append(c.order, key)
	c.byID[key] = awsauth.Cache(p)
	return c.byID[key]
}
