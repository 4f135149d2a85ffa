import { assert, describe, it } from "@effect/vitest"
import * as JsonProblem from "../../../src/protocol/core/JsonProblem.ts"

describe("JsonProblem", () => {
  it.each([
    ["{}", undefined],
    ['{\n  "a": 1,\n  "b" 2\n}', "it is not JSON (line 3, column 7)"],
    ['{"a":', "it is not JSON: it ends early"],
    ["", "it is not JSON: it ends early"],
    ["secret", "it is not JSON"]
  ])("says of %j what is wrong, and nothing of what stands there", (text, problem) => {
    assert.strictEqual(JsonProblem.of(text), problem)
  })
})
