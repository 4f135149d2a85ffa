import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as DaemonPid from "../../../src/runtime/daemon/DaemonPid.ts"
import * as Daemons from "./Daemons.ts"

const socket = Effect.map(Daemons.home, (home) => Path.join(home, "daemon.sock"))

describe("DaemonPid", () => {
  it.effect("says which process serves a socket for as long as it does", () =>
    Effect.gen(function* () {
      const path = yield* socket
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* DaemonPid.keep(path)
          assert.strictEqual(yield* DaemonPid.find(path), process.pid)
          assert.strictEqual(Fs.statSync(`${path}.pid`).mode & 0o777, 0o600)
        })
      )
      assert.isFalse(Fs.existsSync(`${path}.pid`))
      assert.isUndefined(yield* DaemonPid.find(path))
    }).pipe(Effect.scoped, Effect.provide(Daemons.platform))
  )

  it.effect("does not believe in a process that is gone, and replaces what it left", () =>
    Effect.gen(function* () {
      const path = yield* socket
      for (const left of [`{"pid":${2 ** 30},"started":"1"}`, "{", ""]) {
        Fs.writeFileSync(`${path}.pid`, left)
        assert.isUndefined(yield* DaemonPid.find(path))
      }
      yield* DaemonPid.keep(path)
      assert.strictEqual(yield* DaemonPid.find(path), process.pid)
    }).pipe(Effect.scoped, Effect.provide(Daemons.platform))
  )

  it.effect("leaves alone what another process says by now", () =>
    Effect.gen(function* () {
      const path = yield* socket
      const others = `{"pid":1,"started":""}`
      yield* Effect.scoped(
        Effect.andThen(
          DaemonPid.keep(path),
          Effect.sync(() => Fs.writeFileSync(`${path}.pid`, others))
        )
      )
      assert.strictEqual(Fs.readFileSync(`${path}.pid`, "utf8"), others)
    }).pipe(Effect.scoped, Effect.provide(Daemons.platform))
  )
})
