import { assert, describe, it } from "@effect/vitest"
import * as Errand from "../../../src/runtime/daemon/Errand.ts"

describe("Errand", () => {
  it("takes questions, spells them in one way, and takes the home out of them", () => {
    assert.deepStrictEqual(Errand.orderOf(["resolve", "semver@^7", "--json"]), {
      args: ["resolve", "semver@^7", "--json"],
      home: undefined
    })
    assert.deepStrictEqual(Errand.orderOf(["query", "--home", "h", "--policy", "firstSeen", "semver"]), {
      args: ["query", "semver", "--policy=firstSeen"],
      home: "h"
    })
    assert.deepStrictEqual(Errand.orderOf(["query", "semver", "--home=h"]), { args: ["query", "semver"], home: "h" })
  })

  it.each([
    [["publish", "."]],
    [["install", "semver"]],
    [[]],
    [["--home", "h", "resolve", "semver"]],
    [["resolve", "semver", "--no-daemon"]],
    [["resolve", "semver", "--daemon=false"]],
    [["resolve", "semver", "--listen", "127.0.0.1:0"]],
    [["resolve", "semver", "--help"]],
    [["resolve", "semver", "--offline"]],
    [["resolve", "semver", "--log-level=debug"]],
    [["resolve", "semver", "--home"]],
    [["resolve", "--", "semver"]],
    [["resolve", "semver", "--h"]],
    [["resolve", "semver", "-hv"]],
    [["resolve", "semver", "--no-wizard"]],
    [["resolve", "semver", "--json=yes"]],
    [["query", "--json", "yes"]],
    [["resolve", "--policy", "--home", "h", "firstSeen", "semver"]],
    [["resolve", "semver", "--home", "-h"]],
    [["resolve", "semver", "--home="]],
    [["resolve", "semver", "ms"]],
    [["resolve", "--json"]],
    [["resolve", "semver", "--home", "a", "--home", "b"]]
  ])("leaves %j to a process of its own", (argv) => {
    assert.isUndefined(Errand.orderOf(argv))
  })

  it("leaves what is too long to a process of its own", () => {
    const room = Errand.ARGUMENTS_MAX_CHARS - "resolve".length
    assert.isDefined(Errand.orderOf(["resolve", "a".repeat(room)]))
    assert.isUndefined(Errand.orderOf(["resolve", "a".repeat(room + 1)]))
  })
})
