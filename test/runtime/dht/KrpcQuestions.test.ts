import { assert, describe, it } from "@effect/vitest"
import { ErrorCode } from "../../../src/protocol/dht/client/Krpc.ts"
import * as KrpcGuard from "../../../src/runtime/dht/KrpcGuard.ts"
import * as KrpcQuestions from "../../../src/runtime/dht/KrpcQuestions.ts"
import { loose, text } from "./LiveNode.ts"

/** The words of a refusal, as they come out for the user. */
const wordsOf = (words: Uint8Array): string => {
  const verdict = KrpcGuard.inspect(loose({ e: [ErrorCode.server, words], t: text("aa"), y: text("e") }))
  if (verdict._tag !== "Accept" || verdict.message._tag === "Query") throw new Error("no reply")
  const answer = KrpcQuestions.read(verdict.message, () => false)
  if (answer._tag !== "Refused") throw new Error("no refusal")
  assert.strictEqual(answer.code, ErrorCode.server)
  return answer.text
}

const utf8 = (words: string): Uint8Array => new Uint8Array(Buffer.from(words))

describe("KrpcQuestions", () => {
  it("gives the words of a refusal as they are", () => {
    assert.strictEqual(wordsOf(utf8("A generic error: ärger, 誤り")), "A generic error: ärger, 誤り")
    assert.strictEqual(wordsOf(utf8("")), "")
  })

  it("lets nothing in them act on a terminal, forge a line or turn the text around", () => {
    assert.strictEqual(
      wordsOf(utf8("a\u001b[2Jb\r\nc\u009bd\u202ee\u2028f\u200bg\u0000")),
      "a\ufffd[2Jb\ufffd\ufffdc\ufffdd\ufffde\ufffdf\ufffdg\ufffd"
    )
    assert.strictEqual(wordsOf(Uint8Array.of(0x61, 0x9b, 0xff, 0x62)), "a\ufffd\ufffdb")
  })
})
