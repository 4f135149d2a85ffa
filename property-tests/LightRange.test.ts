import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as LockedRange from "../src/protocol/registry/LockedRange.ts"
import * as LightRange from "../src/runtime/install/LightRange.ts"
import { runs } from "./Runs.ts"

const number = fc.oneof(fc.nat({ max: 3 }), fc.constantFrom(10, 999_999_999))
const part = fc.oneof(number.map(String), fc.constantFrom("x", "*", "X", "01", ""))
const version = fc
  .tuple(number, number, number, fc.constantFrom("", "", "", "-rc.1", "+build"))
  .map(([major, minor, patch, suffix]) => `${major}.${minor}.${patch}${suffix}`)

const comparator = fc
  .tuple(
    fc.constantFrom("", "", "^", "~", ">=", "<", "<=", ">", "=", "~>", "!"),
    fc.constantFrom("", "", "", " ", "v"),
    fc.array(part, { minLength: 1, maxLength: 4 }),
    fc.constantFrom("", "", "", "", "-0", "-rc.1")
  )
  .map(([operator, space, parts, suffix]) => operator + space + parts.join(".") + suffix)

const range = fc.oneof(
  fc
    .array(
      fc.array(comparator, { minLength: 1, maxLength: 2 }).map((all) => all.join(" ")),
      {
        minLength: 1,
        maxLength: 2
      }
    )
    .map((all) => all.join(" || ")),
  fc.tuple(comparator, comparator).map(([from, to]) => `${from} - ${to}`),
  fc.constantFrom("", "*", "latest", "next", "||", "1 ||", "not a range")
)

describe("LightRange", () => {
  it("takes a version to be in a range only where npm does", () => {
    fc.assert(
      fc.property(version, range, (own, wanted) => {
        if (LightRange.isPlainlyIn(own, wanted)) assert.isTrue(LockedRange.admits(own, wanted))
      }),
      runs
    )
  })

  const plain = [
    "^1.2.3",
    "^1.2",
    "^1",
    "~1.2.3",
    "~1.2",
    "~1",
    "1",
    "1.2",
    "1.2.x",
    "1.x",
    "1.*",
    "1.2.3",
    "=1.2.3",
    ">=1.2.3",
    ">= 1.2",
    ">=1 <2",
    ">= 1.2.0 < 3.0.0",
    "<2",
    "0.1 || 1.2.3",
    "*",
    "v1.2.3"
  ]
  it.each(plain)("knows that 1.2.3 is in %s without npm", (wanted) => {
    assert.isTrue(LightRange.isPlainlyIn("1.2.3", wanted))
  })

  it("knows what a caret keeps below 1.0.0", () => {
    const inside = [
      ["0.2.3", "^0.2.1"],
      ["0.0.3", "^0.0.3"],
      ["0.9.0", "^0"],
      ["0.0.9", "^0.0"],
      ["0.0.0", "^0.0.0"]
    ] as const
    const outside = [
      ["0.3.0", "^0.2.1"],
      ["0.0.4", "^0.0.3"],
      ["1.0.0", "^0"],
      ["0.1.0", "^0.0"],
      ["0.0.1", "^0.0.0"]
    ] as const
    for (const [own, wanted] of inside) assert.isTrue(LightRange.isPlainlyIn(own, wanted), `${own} ${wanted}`)
    for (const [own, wanted] of outside) assert.isFalse(LightRange.isPlainlyIn(own, wanted), `${own} ${wanted}`)
  })
})
