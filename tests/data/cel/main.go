// Evaluates CEL expressions over objects, as Flux does for healthCheckExprs: parsed without types, the object's
// top-level fields are the variables. One JSON request a line in, one JSON answer a line out.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/google/cel-go/cel"
)

type request struct {
	Expression string         `json:"expression"`
	Object     map[string]any `json:"object"`
}

func evaluate(asked request) (bool, error) {
	env, err := cel.NewEnv(cel.CrossTypeNumericComparisons(true), cel.OptionalTypes())
	if err != nil {
		return false, err
	}
	parsed, issues := env.Parse(asked.Expression)
	if issues.Err() != nil {
		return false, issues.Err()
	}
	program, err := env.Program(parsed)
	if err != nil {
		return false, err
	}
	value, _, err := program.Eval(asked.Object)
	if err != nil {
		return false, err
	}
	truth, ok := value.Value().(bool)
	if !ok {
		return false, fmt.Errorf("no truth value but %v", value.Value())
	}
	return truth, nil
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 4<<20)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked request
		answer := map[string]any{}
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			answer["error"] = err.Error()
		} else if truth, err := evaluate(asked); err != nil {
			answer["error"] = err.Error()
		} else {
			answer["value"] = truth
		}
		if err := answers.Encode(answer); err != nil {
			os.Exit(1)
		}
	}
}
