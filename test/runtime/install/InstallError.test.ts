import { assert, describe, it } from "@effect/vitest"
import { InvalidProject, TreeChanged } from "../../../src/runtime/install/InstallError.ts"

describe("InstallError", () => {
  it("counts what differs", () => {
    const messageOf = (problems: number) => new TreeChanged({ directory: "/app", problems }).message
    assert.strictEqual(messageOf(1), "/app has one place that differs from what was signed")
    assert.strictEqual(messageOf(2), "/app has 2 places that differ from what was signed")
  })

  it("leads on to an install where there was none", () => {
    const fields = { location: "/app", problem: "nothing was installed there" }
    assert.include(new InvalidProject({ ...fields, isEmpty: true }).hint, "ls-cli install")
    assert.notInclude(new InvalidProject(fields).hint, "ls-cli install")
  })
})
