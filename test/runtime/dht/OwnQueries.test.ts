/** Queries of our own through the guarded socket: whose reply counts, and how each one ends. */
import { afterEach, assert, describe, it } from "@effect/vitest"
import * as GuardedSocket from "../../../src/runtime/dht/GuardedSocket.ts"
import type { Method } from "../../../src/runtime/dht/KrpcMessage.ts"
import { type After, REQUESTS_MAX } from "../../../src/runtime/dht/KrpcRequests.ts"
import { type Reply, TRANSACTION_ID_BYTES } from "../../../src/runtime/dht/KrpcTransactions.ts"
import {
  asBytes,
  type Dictionary,
  type LiveNode,
  LOOPBACK,
  loose,
  startNode as startLiveNode,
  Stranger,
  STRANGER_ID,
  text,
  verify
} from "./LiveNode.ts"

const TIMEOUT_MS = 60_000

const toClose: Array<() => unknown> = []
afterEach(async () => {
  for (const close of toClose.splice(0).toReversed()) await close()
})

const startNode = async (options: Partial<GuardedSocket.Options> = {}): Promise<LiveNode> => {
  const node = await startLiveNode(options)
  toClose.push(node.close)
  return node
}

const stranger = async (node: LiveNode): Promise<Stranger> => {
  const made = await Stranger.bind(node.port)
  toClose.push(() => made.close())
  return made
}

const pong = { r: { id: STRANGER_ID }, y: text("r") }

const OWN_ID = new Uint8Array(20).fill(9)

const ask = (
  socket: GuardedSocket.GuardedSocket,
  port: number,
  { host = LOOPBACK, method = "ping" as Method, timeoutMs = TIMEOUT_MS } = {}
): Promise<Reply | undefined> =>
  new Promise((resolve) => socket.request({ method, args: { id: OWN_ID } }, host, port, timeoutMs, resolve))

/** Asks a played node; gives the query as it arrived there, and the answer that is to come. */
const asked = (node: LiveNode, peer: Stranger) => {
  const query = new Promise<Dictionary>((resolve) => peer.play((query) => void resolve(query)))
  const answer = ask(node.socket, peer.port)
  return query.then((query) => ({ query, answer }))
}

/** Time that passes when it is told to. */
const manualTime = () => {
  const planned = new Set<{ readonly ms: number; readonly run: () => void }>()
  const after: After = (ms, run) => {
    const plan = { ms, run }
    planned.add(plan)
    return () => void planned.delete(plan)
  }
  const pass = (ms: number) => {
    for (const plan of [...planned].filter((each) => each.ms <= ms)) {
      planned.delete(plan)
      plan.run()
    }
  }
  return { after, pass, planned }
}

describe("own queries", () => {
  it("come back with the checked reply of the node that was asked, which the library does not see", async () => {
    const node = await startNode()
    const peer = await stranger(node)
    let seen = 0
    node.socket.on("message", () => seen++)
    const { answer, query } = await asked(node, peer)
    assert.lengthOf(asBytes(query["t"]), TRANSACTION_ID_BYTES)
    peer.send(loose({ ...pong, t: asBytes(query["t"]) }))
    const reply = await answer
    assert.strictEqual(reply?._tag, "Response")
    assert.deepEqual(reply?._tag === "Response" && asBytes(reply.values["id"]), STRANGER_ID)
    assert.strictEqual(seen, 0)
    assert.strictEqual(node.count("accepted-reply"), 1)
  })

  it("come back with the error of a node that refuses", async () => {
    const node = await startNode()
    const peer = await stranger(node)
    peer.play(() => ({ e: [302, text("too low")], y: text("e") }))
    const reply = await ask(node.socket, peer.port, { method: "put" })
    assert.strictEqual(reply?._tag === "Failure" && reply.code, 302)
  })

  it("take one reply only, of that address and port and under that transaction id", async () => {
    const node = await startNode()
    const [peer, spoofer] = [await stranger(node), await stranger(node)]
    const { answer, query } = await asked(node, peer)
    const t = asBytes(query["t"])
    const reply = loose({ ...pong, t })
    await spoofer.exchange(reply)
    await peer.exchange(loose({ ...pong, t: t.map((byte) => byte ^ 1) }))
    assert.strictEqual(node.count("unsolicited-reply"), 2)
    peer.send(reply)
    assert.isDefined(await answer)
    await peer.exchange(reply, reply)
    assert.strictEqual(node.count("unsolicited-reply"), 4)
    assert.strictEqual(node.count("accepted-reply"), 1)
  })

  it("stay apart from the library's, also to one node at one time", async () => {
    const node = await startNode()
    const peer = await stranger(node)
    peer.play(() => pong)
    const isAdded = new Promise((resolve) => node.dht.once("node", resolve))
    node.dht.addNode({ host: LOOPBACK, port: peer.port })
    const replies = await Promise.all(Array.from({ length: 20 }, () => ask(node.socket, peer.port)))
    await isAdded
    assert.isTrue(replies.every((reply) => reply?._tag === "Response"))
    assert.strictEqual(node.count("accepted-reply"), 21)
    assert.strictEqual(node.count("unsolicited-reply"), 0)
  })

  it("end with nothing after the time given, and what comes later is dropped", async () => {
    const time = manualTime()
    const node = await startNode({ after: time.after })
    const peer = await stranger(node)
    const query = new Promise<Dictionary>((resolve) => peer.play((query) => void resolve(query)))
    const answer = ask(node.socket, peer.port, { timeoutMs: 700 })
    const t = asBytes((await query)["t"])
    time.pass(699)
    assert.strictEqual(node.count("own-timeout"), 0)
    time.pass(700)
    assert.isUndefined(await answer)
    assert.strictEqual(node.count("own-timeout"), 1)
    await peer.exchange(loose({ ...pong, t }))
    assert.strictEqual(node.count("unsolicited-reply"), 1)
    assert.strictEqual(time.planned.size, 0)
  })

  it("leave no timer behind when they are answered", async () => {
    const time = manualTime()
    const node = await startNode({ after: time.after })
    const peer = await stranger(node)
    peer.play(() => pong)
    await ask(node.socket, peer.port)
    assert.strictEqual(time.planned.size, 0)
  })

  it("are bounded: one too many ends with nothing and is not sent", async () => {
    const time = manualTime()
    const node = await startNode({ after: time.after })
    const peer = await stranger(node)
    let answered = 0
    for (let i = 0; i < REQUESTS_MAX; i++) void ask(node.socket, peer.port).then(() => answered++)
    const last = ask(node.socket, peer.port, { timeoutMs: 0 })
    assert.strictEqual(node.count("own-query"), REQUESTS_MAX)
    time.pass(0)
    assert.isUndefined(await last)
    assert.strictEqual(node.count("own-too-many"), 1)
    assert.strictEqual(answered, 0)
  })

  it("end with nothing when they cannot be sent, not before they have begun", async () => {
    const node = await startNode()
    let isBegun = false
    const answers = [0, 65_536].map((port) => {
      const answer = new Promise<Reply | undefined>((resolve) =>
        node.socket.request({ method: "ping", args: { id: OWN_ID } }, LOOPBACK, port, TIMEOUT_MS, (reply) => {
          assert.isTrue(isBegun)
          resolve(reply)
        })
      )
      return answer
    })
    isBegun = true
    assert.deepEqual(await Promise.all(answers), [undefined, undefined])
    assert.strictEqual(node.count("send-failed"), 2)
  })

  it("end with nothing when the socket is closed, before and after", async () => {
    const socket = GuardedSocket.make({ host: LOOPBACK, verify, now: () => 0 })
    await new Promise<void>((resolve) => socket.bind(0, resolve))
    const waiting = ask(socket, 9)
    await new Promise<void>((resolve) => socket.close(resolve))
    assert.isUndefined(await waiting)
    assert.isUndefined(await ask(socket, 9))
  })

  it("survive what a callback throws", async () => {
    const node = await startNode()
    const peer = await stranger(node)
    peer.play(() => pong)
    node.socket.request({ method: "ping", args: { id: OWN_ID } }, LOOPBACK, peer.port, TIMEOUT_MS, () => {
      throw new Error("callback")
    })
    assert.isDefined(await ask(node.socket, peer.port))
    assert.strictEqual(node.count("handler-threw"), 1)
    assert.strictEqual(String(node.defects[0]), "Error: callback")
  })

  it("say that we are read-only for as long as we are, as the library's do", async () => {
    const node = await startNode({ readOnly: true })
    const peer = await stranger(node)
    const marks: Array<unknown> = []
    peer.play((query) => (marks.push(query["ro"]), pong))
    const isAdded = new Promise((resolve) => node.dht.once("node", resolve))
    await ask(node.socket, peer.port)
    node.socket.setReadOnly(false)
    await ask(node.socket, peer.port)
    node.socket.setReadOnly(true)
    node.dht.addNode({ host: LOOPBACK, port: peer.port })
    await isAdded
    assert.deepEqual(marks, [1, undefined, 1])
  })
})
