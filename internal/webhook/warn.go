package webhook

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/lint"
)

const (
	// maxWarning and maxWarnings respect the limits of the API server: 256 characters per
	// warning, 4,096 in total.
	maxWarning  = 255
	maxWarnings = 15
	// maxFields is the maximum number of fields that one warning lists.
	maxFields = 3
	// maxBlocks is the maximum number of certificates that one warning lists.
	maxBlocks = 10
	// maxText bounds the text of all sources that is checked, in bytes, because the API
	// server waits for the response. A target holds at most 1 MiB of certificates.
	maxText = 4 << 20
)

// warnings describes valid content of a Bundle and its sources that is usually a mistake.
// They contain no data from certificates.
func warnings(spec bundle.Spec, namespaces int, inputs []bundle.Input, now time.Time) []string {
	var list []string
	for _, finding := range lint.Spec(spec, namespaces) {
		list = append(list, formatWarning(finding))
	}
	size := 0
	for _, input := range inputs {
		if size += textSize(input); size > maxText {
			list = append(list, formatWarning(lint.Finding{Origin: input.Origin, Detail: "this source and all later ones are not checked for warnings, " +
				"because the sources contain more than 4 MiB of text; see the status of the Bundle"}))
			break
		}
		for _, finding := range lint.Input(spec, input, now) {
			list = append(list, formatWarning(finding))
		}
	}
	if more := len(list) - maxWarnings; more > 0 {
		list = append(list[:maxWarnings-1], fmt.Sprintf("and %d more warnings", more+1))
	}
	return list
}

// formatWarning returns the text of a finding. If it is too long, formatWarning shortens the
// names of object and key.
func formatWarning(finding lint.Finding) string {
	origin := finding.Origin
	var blocks []string
	for _, block := range finding.Blocks {
		blocks = append(blocks, strconv.Itoa(block))
	}
	format := func() string {
		place := origin.String()
		if len(finding.Fields) > 1 {
			place = lint.JoinFirst(finding.Fields, maxFields)
		}
		if len(blocks) > 0 {
			place = strings.TrimSuffix(place, "block "+blocks[0]) + "blocks " + lint.JoinFirst(blocks, maxBlocks)
		}
		return place + ": " + finding.Detail
	}
	if excess := len(format()) - maxWarning; excess > 0 {
		room := max(0, len(origin.Object)+len(origin.Key)-excess)
		origin.Key = shorten(origin.Key, max(room/2, room-len(origin.Object)))
		origin.Object = shorten(origin.Object, room-len(origin.Key))
	}
	return truncate(format())
}

// shorten removes the middle of a name, so that it has at most length bytes, but keeps at
// least 9.
func shorten(name string, length int) string {
	const gap, minimum = "...", 9
	length = max(length, minimum)
	if len(name) <= length {
		return name
	}
	tail := (length - len(gap)) / 2
	head := length - len(gap) - tail
	return strings.ToValidUTF8(name[:head]+gap+name[len(name)-tail:], "")
}

// truncate limits a warning that is too long even with short names, such as one with a key
// that has to be escaped.
func truncate(warning string) string {
	if len(warning) <= maxWarning {
		return warning
	}
	return strings.ToValidUTF8(warning[:maxWarning-len("...")], "") + "..."
}

// textSize returns the size of an input's texts in bytes.
func textSize(input bundle.Input) int {
	size := 0
	for _, text := range input.Texts {
		size += len(text.PEM)
	}
	return size
}
