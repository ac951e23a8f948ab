package walk

import (
	"fmt"
	"slices"
	"strings"

	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/model"
)

// authorities are the CAs of the walk, each as the PEM block that a target should
// hold (T1). They are new in each run; the walk knows them by their number.
var authorities = newAuthorities(10)

func newAuthorities(count int) []string {
	var list []string
	for i := range count {
		list = append(list, ca.New(fmt.Sprintf("CA %d", i)).Certificate)
	}
	return list
}

// blocks returns the PEM blocks of CAs.
func blocks(numbers []int) []string {
	var list []string
	for _, number := range numbers {
		list = append(list, authorities[number])
	}
	return list
}

// numbersIn returns the CAs in a text, none if it is damaged.
func numbersIn(text string) []int {
	var numbers []int
	certificates, _ := model.Certificates(text)
	for _, certificate := range certificates {
		numbers = append(numbers, slices.Index(authorities, certificate))
	}
	return numbers
}

func pemOf(numbers []int) string { return strings.Join(blocks(numbers), "") }
