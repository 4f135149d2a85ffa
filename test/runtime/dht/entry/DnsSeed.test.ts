import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as DnsSeed from "../../../../src/runtime/dht/entry/DnsSeed.ts"

describe("DnsSeed", () => {
  it("reads nodes, one or more to a record, each once, and passes over everything else", () => {
    assert.deepStrictEqual(
      DnsSeed.parse([
        "v=spf1 -all",
        "dht=20.1.1.1:6881",
        "dht=20.2.1.1:6881  dht=20.1.1.1:6881 dht=192.168.1.1:1",
        "dht=20.3.1.1",
        "dht=20.3.1.1:0",
        "dht=host.example:6881",
        "dht=255.255.255.255:6881",
        "DHT=20.4.1.1:6881",
        "dht=",
        ""
      ]),
      ["20.1.1.1:6881", "20.2.1.1:6881", "192.168.1.1:1"]
    )
  })

  it.effect("takes a limited number from one domain", () =>
    Effect.gen(function* () {
      const texts = Array.from({ length: 200 }, (_, i) => `dht=20.${i}.1.1:6881`)
      const lookup = { addresses: () => Effect.succeed([]), texts: () => Effect.succeed(texts) }
      assert.strictEqual((yield* DnsSeed.nodesOf("seed.example", lookup)).length, DnsSeed.NODES_MAX)
    })
  )
})
