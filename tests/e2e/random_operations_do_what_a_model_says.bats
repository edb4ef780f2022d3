#!/usr/bin/env bats
# Random programs of file system operations, with kill -9 in between: each ends as the model in
# tests/fuzz/state.py says, and so is the tree. `make statefuzz` goes on for as long as one likes.

@test 'hooks, values, modes, renames and what is pending are what a model says they are' {
  "$BATS_TEST_DIRNAME/../fuzz/state.py" --seed 2 --steps 300
  "$BATS_TEST_DIRNAME/../fuzz/state.py" --seed 7 --steps 300
}
