/** The client's questions on the wire, and the answers of played nodes as the client gets them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import type { Answer, Contact, Found, Question, Unsent } from "../../../src/protocol/dht/client/Krpc.ts"
import * as NodeId from "../../../src/protocol/dht/client/NodeId.ts"
import type { Transport } from "../../../src/protocol/dht/client/Transport.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import * as DhtNode from "../../../src/runtime/dht/DhtNode.ts"
import { FADED_MAX, LATELY_MS } from "../../../src/runtime/dht/FadedNodes.ts"
import type { OnAddress } from "../../../src/runtime/dht/HostNames.ts"
import * as UdpTransport from "../../../src/runtime/dht/UdpTransport.ts"
import {
  asDictionary,
  type Dictionary,
  keyPair,
  LOOPBACK,
  type Loose,
  Stranger,
  STRANGER_ID,
  text
} from "./LiveNode.ts"

const TARGET = NodeId.fromBytes(text("mnopqrstuvwxyz123456"))
const STRANGER = NodeId.fromBytes(STRANGER_ID)

const live = (title: string, body: () => Effect.Effect<void, unknown, Scope.Scope | Ed25519>) =>
  it.live(title, () => body().pipe(Effect.scoped, Effect.provide(ed25519)))

const open = (bootstrap: ReadonlyArray<string> = []) =>
  DhtNode.make({ host: LOOPBACK, port: 0, bootstrap, readOnly: true })

const played = (answer: (query: Dictionary) => { readonly [key: string]: Loose } | undefined) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const stranger = await Stranger.bind(1)
      stranger.play(answer)
      return stranger
    }),
    (stranger) => Effect.promise(() => stranger.close())
  )

const addressOf = ({ port }: Stranger): string => `${LOOPBACK}:${port}`

const ask = (transport: Transport, address: string, question: Question = { _tag: "Get", target: TARGET }) =>
  Effect.callback<{ readonly answer: Answer | Unsent | undefined; readonly from: string }>((resume) => {
    transport.ask(address, question, (answer, from) => resume(Effect.succeed({ answer, from })))
  })

const found = Effect.fnUntraced(function* (transport: Transport, address: string) {
  const { answer } = yield* ask(transport, address)
  return answer?._tag === "Found" ? answer : assert.fail("not found")
})

const compact = (id: Uint8Array, port: number, host: ReadonlyArray<number> = [10, 0, 0, 1]): Uint8Array =>
  Uint8Array.of(...id, ...host, port >> 8, port & 0xff)

/** The node `index`, which nobody can reach. */
const contactOf = (index: number): Contact => ({
  id: NodeId.fromBytes(new Uint8Array(20).fill(index + 1)),
  address: `10.0.${index >> 8}.${index & 255}:6881`
})

describe("UdpTransport: questions", () => {
  const token = text("token")
  const { publicKey } = keyPair(1)
  const [signature, value] = [new Uint8Array(64).fill(3), text("value")]
  const target = NodeId.toBytes(TARGET)
  const record = { target: TARGET, token, publicKey, seq: 5, signature, value }
  const cases: ReadonlyArray<readonly [Question, string, Dictionary]> = [
    [{ _tag: "FindNode", target: TARGET }, "find_node", { target }],
    [{ _tag: "Get", target: TARGET }, "get", { target }],
    [{ _tag: "GetPeers", target: TARGET }, "get_peers", { info_hash: target }],
    [{ _tag: "PutImmutable", target: TARGET, token, value }, "put", { token, v: value }],
    [
      { _tag: "PutMutable", ...record, salt: text("salt"), cas: 4 },
      "put",
      { cas: 4, k: publicKey, salt: text("salt"), seq: 5, sig: signature, token, v: value }
    ],
    [
      { _tag: "PutMutable", ...record, salt: new Uint8Array(0), cas: undefined },
      "put",
      { k: publicKey, seq: 5, sig: signature, token, v: value }
    ],
    [
      { _tag: "AnnouncePeer", target: TARGET, token, port: 7001 },
      "announce_peer",
      { implied_port: 0, info_hash: target, port: 7001, token }
    ]
  ]

  live("are the queries of BEP 5 and BEP 44", () =>
    Effect.gen(function* () {
      const queries: Array<Dictionary> = []
      const stranger = yield* played((query) => (queries.push(query), { r: { id: STRANGER_ID }, y: text("r") }))
      const node = yield* open()
      const transport = UdpTransport.make(node)
      const id = new Uint8Array(node.rpc.id)
      for (const [question, method, args] of cases) {
        yield* ask(transport, addressOf(stranger), question)
        const query = queries.at(-1)
        assert.deepEqual(query?.["q"], text(method))
        assert.deepEqual(asDictionary(query?.["a"]), { ...args, id })
        assert.strictEqual(query?.["ro"], 1)
      }
    })
  )

  live("are asked of host names too, which are looked up once", () =>
    Effect.gen(function* () {
      const stranger = yield* played(() => ({ r: { id: STRANGER_ID }, y: text("r") }))
      const names: Array<string> = []
      const resolve = (name: string, onAddress: OnAddress) => {
        names.push(name)
        onAddress(name === "router.test" ? LOOPBACK : undefined)
      }
      const transport = UdpTransport.make(yield* open(), { resolve })
      for (let i = 0; i < 3; i++) {
        const { answer, from } = yield* ask(transport, `router.test:${stranger.port}`)
        assert.strictEqual(answer?._tag, "Found")
        assert.strictEqual(from, addressOf(stranger))
      }
      const lost = yield* ask(transport, "nowhere.test:6881")
      assert.deepEqual(lost, { answer: undefined, from: "nowhere.test:6881" })
      assert.deepEqual(names, ["router.test", "nowhere.test"])
    })
  )

  live("end with silence where a name server never answers, and what it says later does no harm", () =>
    Effect.gen(function* () {
      const node = yield* open()
      const late: Array<OnAddress> = []
      const timers: Array<{ readonly ms: number; readonly run: () => void }> = []
      const transport = UdpTransport.make(
        { ...node, after: (ms, run) => (timers.push({ ms, run }), () => {}) },
        { resolve: (_name, onAddress) => void late.push(onAddress) }
      )
      const answers: Array<Answer | Unsent | undefined> = []
      transport.ask("router.test:6881", { _tag: "Get", target: TARGET }, (answer) => void answers.push(answer))
      assert.deepEqual(
        timers.map(({ ms }) => ms),
        [UdpTransport.RESOLVE_TIMEOUT_MS]
      )
      timers[0]!.run()
      late[0]!(LOOPBACK)
      assert.deepEqual(answers, [undefined])
      assert.strictEqual(node.socket.counters().get("own-query") ?? 0, 0)
    })
  )

  live("are silence to what is no address, and to a node that is silent", () =>
    Effect.gen(function* () {
      const stranger = yield* played(() => undefined)
      const transport = UdpTransport.make(yield* open(), { timeoutMs: 20 })
      for (const address of ["", "nonsense", `${LOOPBACK}:0`, `${LOOPBACK}:70000`, ":6881", addressOf(stranger)]) {
        assert.deepEqual(yield* ask(transport, address), { answer: undefined, from: address })
      }
    })
  )
})

describe("UdpTransport: answers", () => {
  const reply = (r: { readonly [key: string]: Loose }) => () => ({ r: { id: STRANGER_ID, ...r }, y: text("r") })
  const { publicKey } = keyPair(1)
  const sig = new Uint8Array(64).fill(3)

  live("name whom they come from, its token, its neighbours that can be reached, and peers", () =>
    Effect.gen(function* () {
      const node = yield* open()
      const neighbours = [
        compact(new Uint8Array(20).fill(1), 6881),
        compact(new Uint8Array(20).fill(2), 0),
        compact(node.rpc.id, 6881),
        compact(new Uint8Array(20).fill(3), 1, [10, 0, 0, 2])
      ]
      const values = [Uint8Array.of(10, 0, 0, 3, 0, 80), Uint8Array.of(10, 0, 0, 3, 0, 0)]
      const stranger = yield* played(reply({ nodes: Buffer.concat(neighbours), token: text("token"), values }))
      const answer = yield* found(UdpTransport.make(node), addressOf(stranger))
      assert.isTrue(NodeId.equals(answer.id, STRANGER))
      assert.deepEqual(answer.token, text("token"))
      assert.deepEqual(
        answer.nodes.map(({ address, id }) => [id.hex.slice(0, 2), address]),
        [
          ["01", "10.0.0.1:6881"],
          ["03", "10.0.0.2:1"]
        ]
      )
      assert.deepEqual(answer.peers, ["10.0.0.3:80"])
      assert.isUndefined(answer.item)
    })
  )

  const items: ReadonlyArray<readonly [string, { readonly [key: string]: Loose }, Found["item"]]> = [
    ["an immutable item", { v: text("v") }, { _tag: "Immutable", value: text("v") }],
    [
      "a record",
      { k: publicKey, seq: 2, sig, v: text("v") },
      { _tag: "Mutable", publicKey, seq: 2, signature: sig, value: text("v") }
    ],
    [
      "a dictionary",
      { k: publicKey, seq: 2, sig, v: { a: 1 } },
      { _tag: "Foreign", publicKey, seq: 2, signature: sig, bencoded: text("d1:ai1ee") }
    ],
    [
      "a string that is longer than a record's",
      { k: publicKey, seq: 2, sig, v: new Uint8Array(997) },
      {
        _tag: "Foreign",
        publicKey,
        seq: 2,
        signature: sig,
        bencoded: Uint8Array.from([...text("997:"), ...new Uint8Array(997)])
      }
    ],
    ["an immutable dictionary", { v: { a: 1 } }, undefined],
    ["a sequence number alone", { seq: 2 }, undefined]
  ]
  for (const [kind, r, item] of items) {
    live(`give ${kind}${item === undefined ? " as no item" : ""}`, () =>
      Effect.gen(function* () {
        const stranger = yield* played(reply(r))
        assert.deepEqual((yield* found(UdpTransport.make(yield* open()), addressOf(stranger))).item, item)
      })
    )
  }

  live("keep no datagram in memory", () =>
    Effect.gen(function* () {
      const stranger = yield* played(reply({ k: publicKey, seq: 2, sig, token: text("token"), v: text("v") }))
      const { item, token } = yield* found(UdpTransport.make(yield* open()), addressOf(stranger))
      const kept = item?._tag === "Mutable" ? [item.publicKey, item.signature, item.value, token] : []
      assert.lengthOf(kept, 4)
      for (const bytes of kept) assert.strictEqual(bytes?.buffer.byteLength, bytes?.length)
    })
  )

  live("tell a refusal with its code and text", () =>
    Effect.gen(function* () {
      const stranger = yield* played(() => ({ e: [301, text("CAS")], y: text("e") }))
      const { answer } = yield* ask(UdpTransport.make(yield* open()), addressOf(stranger))
      assert.deepEqual(answer, { _tag: "Refused", code: 301, text: "CAS" })
    })
  )
})

describe("UdpTransport: the nodes it knows", () => {
  live("are those that answered, closest first, each at the address where it answered first", () =>
    Effect.gen(function* () {
      const node = yield* open()
      const transport = UdpTransport.make(node)
      for (const index of [7, 3, 5]) transport.noteAnswer(contactOf(index))
      transport.noteAnswer({ ...contactOf(3), address: "10.9.9.9:1" })
      // Nobody else has our own id.
      transport.noteAnswer({ id: NodeId.fromBytes(node.rpc.id), address: "10.9.9.9:2" })
      const addresses = transport.closest(contactOf(3).id, 8).map(({ address }) => address)
      assert.strictEqual(addresses[0], contactOf(3).address)
      assert.sameMembers(
        addresses,
        [3, 5, 7].map((index) => contactOf(index).address)
      )
      assert.strictEqual(transport.nodeCount(), 3)
      assert.isTrue(transport.isOwn(NodeId.fromBytes(node.rpc.id)))
    })
  )

  live("are not forgotten when they fall silent, only asked last, and count for a quarter of an hour", () =>
    Effect.gen(function* () {
      let now = 0
      const transport = UdpTransport.make({ ...(yield* open()), now: () => now })
      for (const index of [1, 2, 3]) transport.noteAnswer(contactOf(index))
      transport.noteSilence(contactOf(1))
      transport.noteSilence(contactOf(2))
      // Nobody has heard of this one.
      transport.noteSilence(contactOf(9))
      assert.deepEqual(transport.closest(TARGET, 8), [contactOf(3)])
      assert.deepEqual(transport.faded(), [contactOf(2), contactOf(1)])
      assert.strictEqual(transport.nodeCount(), 3)
      now = LATELY_MS
      assert.strictEqual(transport.nodeCount(), 1)
      assert.lengthOf(transport.faded(), 2)
      transport.noteAnswer(contactOf(2))
      assert.deepEqual(transport.faded(), [contactOf(1)])
      assert.strictEqual(transport.nodeCount(), 2)
    })
  )

  live("fade too when it is the library that finds them silent, and no more of them than are of use", () =>
    Effect.gen(function* () {
      const node = yield* open()
      const transport = UdpTransport.make(node)
      for (let index = 0; index < FADED_MAX + 10; index++) {
        transport.noteAnswer(contactOf(index))
        node.client.removeNode(NodeId.toBytes(contactOf(index).id))
      }
      assert.lengthOf(transport.faded(), FADED_MAX)
      assert.deepEqual(transport.faded()[0], contactOf(FADED_MAX + 9))
      assert.strictEqual(transport.nodeCount(), FADED_MAX)
    })
  )

  live("leave for good where somebody else answers, but not for what is said of them elsewhere", () =>
    Effect.gen(function* () {
      const transport = UdpTransport.make(yield* open())
      for (const index of [1, 2]) transport.noteAnswer(contactOf(index))
      const elsewhere = { ...contactOf(1), address: "10.9.9.9:1" }
      transport.noteSilence(elsewhere)
      transport.noteImpostor(elsewhere)
      assert.lengthOf(transport.closest(TARGET, 8), 2)
      transport.noteImpostor(contactOf(1))
      assert.deepEqual(transport.closest(TARGET, 8), [contactOf(2)])
      assert.deepEqual(transport.faded(), [])
      assert.strictEqual(transport.nodeCount(), 1)
    })
  )

  live("begin with those configured, and those that become known later", () =>
    Effect.gen(function* () {
      const stranger = yield* played(() => ({ r: { id: STRANGER_ID }, y: text("r") }))
      const node = yield* open([`${LOOPBACK}:9`])
      const transport = UdpTransport.make(node)
      const listed = new Promise<void>((resolve) => node.client.once("node", () => resolve()))
      node.addBootstrap([addressOf(stranger), `${LOOPBACK}:9`, "nonsense", "10.0.0.1:0"])
      assert.deepEqual(transport.bootstrap(), [`${LOOPBACK}:9`, addressOf(stranger)])
      yield* Effect.promise(() => listed)
      assert.deepEqual(transport.closest(TARGET, 8), [{ id: STRANGER, address: addressOf(stranger) }])
      node.addBootstrap(Array.from({ length: 2 * DhtNode.BOOTSTRAP_MAX }, (_, i) => `10.1.0.1:${i + 1}`))
      assert.lengthOf(transport.bootstrap(), DhtNode.BOOTSTRAP_MAX)
    })
  )
})
