// Command statuses prints what programs that wait for objects make of them: kstatus, which
// Helm and Flux use, and Argo CD's health check of Bundles. It reads objects from standard
// input, one JSON value each, and prints one line of JSON for each of them.
package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

//go:embed health.lua
var healthScript string

// verdict is the result for one object.
type verdict struct {
	// Kstatus is a status of kstatus, such as Current, and Message its explanation.
	Kstatus string `json:"kstatus"`
	Message string `json:"message"`
	// Health is Argo CD's status, such as Healthy.
	Health string `json:"health"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "statuses:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var text json.RawMessage
		if err := decoder.Decode(&text); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(text); err != nil {
			return err
		}
		result, err := judge(object)
		if err != nil {
			return err
		}
		if err := encoder.Encode(result); err != nil {
			return err
		}
	}
}

// judge returns the verdict on one object.
func judge(object *unstructured.Unstructured) (verdict, error) {
	computed, err := status.Compute(object)
	if err != nil {
		return verdict{}, err
	}
	health, err := healthOf(object.Object)
	return verdict{Kstatus: computed.Status.String(), Message: computed.Message, Health: health}, err
}

// healthOf runs the health check, which reads the object from the global obj.
func healthOf(object map[string]any) (string, error) {
	state := lua.NewState()
	defer state.Close()
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoString(healthScript); err != nil {
		return "", err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", fmt.Errorf("the health check returned a %s", state.Get(-1).Type())
	}
	return table.RawGetString("status").String(), nil
}

// toLua converts a JSON value.
func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case string:
		return lua.LString(value)
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case []any:
		table := state.NewTable()
		for _, element := range value {
			table.Append(toLua(state, element))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, element := range value {
			table.RawSetString(key, toLua(state, element))
		}
		return table
	}
	return lua.LNil
}
