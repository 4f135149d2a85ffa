import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Scope from "effect/Scope"
import * as Path from "node:path"
import { line, STANDING_BY } from "../../../src/cli/commands/KeepAlive.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as KeepAliveTurn from "../../../src/runtime/store/KeepAliveTurn.ts"
import * as TemporaryHome from "../../runtime/TemporaryHome.ts"

const HOUR = 3_600_000
const main = Path.resolve(import.meta.dirname, "../../../src/cli/main.ts")

const item = {
  kind: "package",
  target: "ab",
  keyString: "libreseed:package:a",
  at: 30 * HOUR,
  nextDue: 36 * HOUR
} as const

describe("what seed --watch says", () => {
  it("says how many nodes hold an item, how many of the last put still do, and how fast they go", () => {
    assert.strictEqual(
      line({
        _tag: "Held",
        ...item,
        holders: 14,
        survivors: { kept: 12, of: 15, lastPut: 24 * HOUR },
        halfLifeMs: 19.34 * HOUR
      }),
      "still there  libreseed:package:a  14 nodes (12 of the 15 that took it 6h ago), half-life 19h 20m"
    )
  })

  it("claims no half-life before anything was lost", () => {
    const held = { _tag: "Held", ...item, holders: 1, survivors: undefined, halfLifeMs: undefined } as const
    assert.strictEqual(line(held), "still there  libreseed:package:a  1 node")
    assert.strictEqual(
      line({ _tag: "Put", ...item, acks: 15, halfLifeMs: undefined }),
      "put again    libreseed:package:a  15 nodes, next by 1970-01-02T12:00:00.000Z"
    )
  })

  it("does not call lost what nobody answered about", () => {
    assert.strictEqual(
      line({ _tag: "Unheard", ...item }),
      "not heard    libreseed:package:a  too few nodes answered, asked again by 1970-01-02T12:00:00.000Z"
    )
  })

  it("says at the start what is known from before", () => {
    const begun = { _tag: "Begun", items: 12, resumed: 10, due: 3, nextDue: 36 * HOUR, savedAt: 29 * HOUR } as const
    assert.strictEqual(
      line(begun),
      "keep-alive   12 items, 10 known as of 1970-01-02T05:00:00.000Z; due now: 3, the next 1970-01-02T12:00:00.000Z"
    )
    assert.strictEqual(
      line({ ...begun, items: 1, resumed: 0, due: 1, nextDue: undefined, savedAt: undefined }),
      "keep-alive   1 item, none known from before; due now: 1"
    )
  })
})

/** Runs `ls-cli seed` from the source until it has said enough, then stops it as Ctrl-C does. */
const seed = (home: string, isEnough = (stderr: string) => stderr.includes("keep-alive ")) =>
  Effect.callback<{ readonly end: string; readonly stderr: string }>((resume) => {
    const given = ["seed", "--watch", "--home", home, "--bootstrap", "127.0.0.1:9", "--listen", "127.0.0.1:0"]
    const child = spawn(process.execPath, [main, ...given], { stdio: ["ignore", "ignore", "pipe"] })
    let stderr = ""
    child.stderr.on("data", (chunk) => {
      stderr += String(chunk)
      if (isEnough(stderr)) child.kill("SIGINT")
    })
    child.on("close", (code, signal) => resume(Effect.succeed({ end: signal ?? String(code), stderr })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

describe("ls-cli seed", () => {
  it.live("stands by while another process of its home keeps alive, and takes over when that ends", () =>
    Effect.gen(function* () {
      const { directory } = yield* Home
      const other = yield* Scope.make()
      yield* Scope.provide(KeepAliveTurn.take(Effect.die("nobody was before it")), other)
      const stood = Deferred.makeUnsafe<void>()
      const told = yield* Effect.forkChild(
        seed(directory, (stderr) => {
          if (stderr.includes(STANDING_BY)) Deferred.doneUnsafe(stood, Effect.void)
          return stderr.includes("nothing is held yet")
        })
      )
      yield* Effect.raceFirst(Deferred.await(stood), Effect.flatMap(Fiber.join(told), Effect.fail))
      yield* Scope.close(other, Exit.void)
      const { end, stderr } = yield* Fiber.join(told)
      assert.strictEqual(end, "0", stderr)
      assert.strictEqual(stderr.split(STANDING_BY).length, 2, "it says so once")
      yield* Effect.scoped(KeepAliveTurn.take(Effect.die("it let go")))
    }).pipe(Effect.provide(TemporaryHome.layer))
  )

  it.live("keeps its state in the home, and Node says nothing about SQLite", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { directory, state } = yield* Home
      const { end, stderr } = yield* seed(directory)
      assert.strictEqual(end, "0", stderr)
      assert.notMatch(stderr, /warning|sqlite/i)
      assert.isTrue(yield* fs.exists(state))
      assert.isFalse(yield* fs.exists(`${state}-wal`), "it was closed")
    }).pipe(Effect.provide(TemporaryHome.layer))
  )
})
