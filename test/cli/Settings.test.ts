import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Settings from "../../src/cli/Settings.ts"

const RAW: Settings.Raw = {
  home: Option.some("/nonexistent/home"),
  bootstrap: Option.none(),
  dnsSeed: Option.none(),
  lan: false,
  listen: Option.none(),
  daemon: true,
  offline: false,
  bundle: [],
  json: false,
  timeout: 60
}

const refusal = (changes: Partial<Settings.Raw>) => Effect.flip(Settings.resolve({ ...RAW, ...changes }))

const refusedNodes = (text: string) => refusal({ bootstrap: Option.some(text) })

describe("Settings", () => {
  it.effect("takes nodes by address and by name, with spaces between them", () =>
    Effect.gen(function* () {
      const { bootstrap } = yield* Settings.resolve({
        ...RAW,
        bootstrap: Option.some("127.0.0.1:1, dht.example.org:2")
      })
      assert.deepStrictEqual(bootstrap, ["127.0.0.1:1", "dht.example.org:2"])
    })
  )

  it.effect("says what is wrong with nodes: a comma too many, nothing at all, IPv6, or no port", () =>
    Effect.gen(function* () {
      for (const text of ["127.0.0.1:1,", ",127.0.0.1:1", "127.0.0.1:1,,127.0.0.1:2", ","]) {
        assert.strictEqual((yield* refusedNodes(text)).message, `--bootstrap "${text}" has a comma too many`)
      }
      for (const text of ["", " "]) assert.strictEqual((yield* refusedNodes(text)).message, "--bootstrap is empty")
      for (const text of ["[::1]:5000", "::1", "[2001:db8::1]:6881", "2001:db8::1", "::ffff:127.0.0.1"]) {
        const { hint, message } = yield* refusedNodes(`127.0.0.1:1,${text}`)
        assert.strictEqual(message, `--bootstrap has "${text}", an IPv6 address`)
        assert.include(hint, "IPv6 is not supported")
      }
      for (const text of ["localhost", "127.0.0.1:0", "127.0.0.1:65536", "a:b"]) {
        assert.strictEqual((yield* refusedNodes(text)).message, `--bootstrap has "${text}", which is not host:port`)
      }
    })
  )

  it.effect("says that an address to bind is of IPv6", () =>
    Effect.gen(function* () {
      const { hint, message } = yield* refusal({ listen: Option.some("[::]:6881") })
      assert.strictEqual(message, '--listen "[::]:6881" is an IPv6 address')
      assert.include(hint, "IPv6 is not supported")
    })
  )

  it.effect("refuses a home that cannot be one, in a line that can be read", () =>
    Effect.gen(function* () {
      const file = yield* refusal({ home: Option.some(import.meta.filename) })
      assert.strictEqual(file.argument, "--home")
      assert.include(file.message, "is not a directory")
      assert.strictEqual(file.exitCode, 2)
      const long = yield* refusal({ home: Option.some(`/${"n".repeat(300)}`) })
      assert.include(long.message, "longer than the file system allows")
      assert.isBelow(long.message.length, 250)
    })
  )
})
