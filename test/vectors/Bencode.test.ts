import { assert, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Bencode from "../../src/protocol/core/Bencode.ts"
import * as Vectors from "./Vectors.ts"

interface Generate {
  readonly prefix?: string
  readonly repeat: string
  readonly times: number
  readonly then_repeat?: string
  readonly then_times?: number
  readonly suffix?: string
}
interface Case {
  readonly id: string
  readonly hex: string | null
  readonly strict: "accept" | "reject" | "limit"
  readonly reason: string
  readonly generate?: Generate
}

/** Generous for a busy machine; quadratic work on these inputs takes minutes. */
const MAX_MS = 2000

const bytesOf = (c: Case): Uint8Array => {
  if (c.generate === undefined) return Vectors.fromHex(c.hex ?? "")
  const { prefix = "", repeat, times, then_repeat = "", then_times = 0, suffix = "" } = c.generate
  return Vectors.fromHex(prefix + repeat.repeat(times) + then_repeat.repeat(then_times) + suffix)
}

const everyFile = () => true

Vectors.topic("bencode", ({ file }) => {
  file<{ readonly cases: ReadonlyArray<Case> }>(
    "cases.json",
    ({ cases }) => {
      for (const c of cases) {
        it(`${c.strict}: ${c.id} (${c.reason})`, () => {
          const bytes = bytesOf(c)
          const start = performance.now()
          const decoded = Bencode.decode(bytes)
          assert.isBelow(performance.now() - start, MAX_MS)
          if (c.strict !== "limit") assert.strictEqual(Result.isSuccess(decoded), c.strict === "accept")
          if (Result.isSuccess(decoded)) assert.deepStrictEqual(Bencode.encode(decoded.success), bytes)
          else assert.strictEqual(decoded.failure._tag, "BencodeError")
        })
      }
    },
    everyFile
  )
})
