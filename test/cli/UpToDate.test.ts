/** Which command lines are understood before the program is loaded: those of the plainest kind, and no other. */
import { assert, describe, it } from "@effect/vitest"
import * as UpToDate from "../../src/cli/UpToDate.ts"

const plain = { directory: ".", production: false, json: false, timeout: 60 }

describe("UpToDate", () => {
  for (const [line, wish] of [
    ["install", plain],
    ["i", plain],
    ["install --frozen --offline", plain],
    ["install --json --production", { ...plain, json: true, production: true }],
    ["install --dir app", { ...plain, directory: "app" }],
    ["install --dir=app --bootstrap 127.0.0.1:6881,host:1 --timeout 600", { ...plain, directory: "app", timeout: 600 }],
    ["i --timeout=5", { ...plain, timeout: 5 }]
  ] as const) {
    it(`understands: ls-cli ${line}`, () => {
      assert.deepStrictEqual(UpToDate.wishOf(line.split(" ")), wish)
    })
  }

  for (const line of [
    "update",
    "install semver",
    "install --dir",
    "install --dir --json",
    "install --dir a --dir b",
    "install --json --json",
    "install --json=true",
    "install --bootstrap nonsense",
    "install --timeout",
    "install --timeout 0",
    "install --timeout -1",
    "install --timeout 1e9",
    "install --timeout soon",
    "install --allow-scripts a",
    "install --engine-strict",
    "install --help",
    "--json install",
    ""
  ]) {
    it(`leaves to the program: ls-cli ${line}`, () => {
      assert.isUndefined(UpToDate.wishOf(line.split(" ")))
    })
  }
})
