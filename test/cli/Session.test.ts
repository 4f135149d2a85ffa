import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Session from "../../src/cli/Session.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-session-"))),
  (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
)

const writable = (home: string) =>
  Effect.flatMap(Session.Session, ({ writable }) => Effect.result(writable)).pipe(
    Effect.provide(
      Session.layer(
        {
          home: Option.some(home),
          bootstrap: Option.none(),
          dnsSeed: Option.none(),
          lan: false,
          listen: Option.none(),
          daemon: true,
          offline: false,
          bundle: [],
          json: true,
          timeout: 60
        },
        () => {}
      )
    )
  )

describe("Session", () => {
  it.effect("lets a command write to a home that is there or can be made, and asks anew each time", () =>
    Effect.gen(function* () {
      const home = yield* temporary
      for (const each of [home, Path.join(home, "new")]) assert.strictEqual((yield* writable(each))._tag, "Success")
      Fs.chmodSync(home, 0o555)
      const isRoot = process.getuid?.() === 0
      const refused = yield* writable(home)
      // Modes do not bind root.
      assert.strictEqual(refused._tag, isRoot ? "Success" : "Failure")
      if (refused._tag === "Failure") assert.include(refused.failure.message, "cannot be written to")
    }).pipe(Effect.scoped)
  )
})
