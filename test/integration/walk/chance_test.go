package walk

import (
	"fmt"
	"math/rand/v2"
)

// chance is the only source of random numbers.
type chance struct {
	*rand.Rand
	made int
}

func newChance(seed uint64) *chance {
	return &chance{Rand: rand.New(rand.NewPCG(seed, 0))}
}

// percent returns true in share percent of the calls.
func (c *chance) percent(share int) bool { return c.IntN(100) < share }

// unique returns a text that the walk has not used before. It is valid in a label.
func (c *chance) unique(prefix string) string {
	c.made++
	return fmt.Sprintf("%s-%d", prefix, c.made)
}

// pick returns a random item of a list, which must not be empty.
func pick[thing any](c *chance, list ...thing) thing { return list[c.IntN(len(list))] }

// some returns between one and most different items of a list.
func some[thing any](c *chance, most int, list ...thing) []thing {
	var chosen []thing
	for _, i := range c.Perm(len(list))[:1+c.IntN(min(most, len(list)))] {
		chosen = append(chosen, list[i])
	}
	return chosen
}

// weighted returns a random index of a weight, by its share in the sum.
func (c *chance) weighted(weights ...int) int {
	sum := 0
	for _, weight := range weights {
		sum += weight
	}
	at := c.IntN(sum)
	for i, weight := range weights {
		if at -= weight; at < 0 {
			return i
		}
	}
	return len(weights) - 1
}

// numbers returns the numbers of one to three CAs.
func (c *chance) numbers() []int {
	all := make([]int, len(authorities))
	for i := range all {
		all[i] = i
	}
	return some(c, 3, all...)
}
