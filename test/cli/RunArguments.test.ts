import { stripVTControlCharacters } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as TestConsole from "effect/testing/TestConsole"
import * as Platform from "../../src/cli/Platform.ts"
import * as Program from "../../src/cli/Program.ts"
import * as RunArguments from "../../src/cli/RunArguments.ts"

const separate = (text: string) => RunArguments.separate(text.split(" ")).join(" ")

describe("the arguments of ls-cli run", () => {
  it("are the program's from the program on", () => {
    assert.strictEqual(separate("run app.js --port 8080"), "run -- app.js --port 8080")
    assert.strictEqual(separate("run app.js -- --home x"), "run -- app.js -- --home x")
    assert.strictEqual(separate("run vite"), "run -- vite")
  })

  it("are ours before it, with their values", () => {
    assert.strictEqual(
      separate("--home h run --frozen --dir d app.js -v"),
      "--home h run --frozen --dir d -- app.js -v"
    )
    assert.strictEqual(separate("run --dir=d --offline app.js --json"), "run --dir=d --offline -- app.js --json")
    assert.strictEqual(separate("--home run run run"), "--home run run -- run")
  })

  it("leave other commands, and what is separated already, as they are", () => {
    for (const text of [
      "run -- app.js -x",
      "run --help",
      "run",
      "install run x",
      "resolve run",
      "--home run keys list"
    ]) {
      assert.strictEqual(separate(text), text)
    }
  })

  it.effect("know every flag that takes a value", () =>
    Effect.gen(function* () {
      yield* Command.runWith(
        Program.make(() => {}),
        { version: "0.0.0" }
      )(["run", "--help"])
      const help = stripVTControlCharacters((yield* TestConsole.logLines).map(String).join("\n"))
      const valued = [...help.matchAll(/^ {2}(--[\w-]+) (?! )\S/gm)].map(([, flag]) => flag!)
      assert.sameMembers(valued, [...RunArguments.VALUED])
    }).pipe(Effect.provide(Platform.layer))
  )
})
