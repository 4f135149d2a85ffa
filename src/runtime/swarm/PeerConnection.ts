/**
 * A TCP connection after its handshake: socket → guard → wire, and back. Nothing that a peer sends
 * and nothing that is thrown while it is handled gets past here; the worst is that this connection
 * ends. Who dialled whom makes no difference, except for how the peer can be told apart again.
 */
import type { Socket } from "node:net"
import { type StreamCipher } from "./Encryption.ts"
import { PeerExtensions } from "./PeerExtensions.ts"
import { type Message, PeerWireGuard, type Shape } from "./PeerWireGuard.ts"
import { PeerWire } from "./PeerWire.ts"
import { type NodeBacklog, SendBacklog } from "./SendBacklog.ts"
import { OUTBOX_MAX_BYTES, REQUEST_QUEUE } from "./UploadQueue.ts"

/** Client and version in the extension handshake (BEP 10): of the wire, and the same for everyone who has it. */
const VERSION = "LibreSeed 1.0"

/**
 * A connection whose handshakes are exchanged. The socket is paused; `rest` is what came behind the handshake,
 * decrypted.
 */
export interface OpenPeer {
  readonly socket: Socket
  readonly rest: Uint8Array
  /** What the stream is encrypted with, where it is. Whoever writes to the socket or reads from it must go through it. */
  readonly cipher: StreamCipher | undefined
  readonly host: string
  readonly port: number
  /** Whether the peer dialled us: then its port says nothing about where it listens. */
  readonly incoming: boolean
  /** Whether the peer speaks the extension protocol (BEP 10). */
  readonly extended: boolean
  /** Whether the peer has a DHT node (BEP 5). */
  readonly dht: boolean
  /** Whether the peer speaks the fast extension (BEP 6), as we do. */
  readonly fast: boolean
}

export interface ConnectionOptions {
  /** In ms. */
  readonly now: () => number
  /** Told why, when the connection ends by the peer's fault. */
  readonly onProblem: (problem: string) => void
  /** TCP port on which we listen, for the peer to know. */
  readonly port?: number | undefined
  /** What waits in all sockets of the node. */
  readonly backlog?: NodeBacklog | undefined
}

export class PeerConnection {
  readonly peer: OpenPeer
  readonly wire: PeerWire
  /** Extensions (BEP 10); they register before {@link start}. */
  readonly extensions: PeerExtensions
  readonly name: string
  /** The peer's DHT node listens on this UDP port (BEP 5). */
  onPort: (port: number) => void = () => {}
  /** The peer has begun to speak of pieces: by now it has our bitfield, which must be first. Runs once. */
  onSettled: () => void = () => {}
  /** Time of the last message that was more than a keep-alive, or of the last bytes served, in ms. */
  lastActiveAt: number
  /** Whether the connection ended by the peer's fault. */
  faulted = false
  #closed = false
  #corked = false
  #settled = false
  readonly #guard: PeerWireGuard
  readonly #backlog: SendBacklog
  readonly #now: () => number
  readonly #onProblem: (problem: string) => void
  readonly #onClosed: Array<() => void> = []

  constructor(peer: OpenPeer, options: ConnectionOptions) {
    this.peer = peer
    this.name = `${peer.host}:${peer.port}`
    this.#backlog = new SendBacklog(options.backlog)
    this.#now = options.now
    this.#onProblem = options.onProblem
    this.lastActiveAt = options.now()
    const { socket } = peer
    this.#guard = new PeerWireGuard({ fast: peer.fast })
    const outlet = {
      send: (...parts: ReadonlyArray<Uint8Array>) => this.#send(parts),
      hasRoom: () => this.#hasRoom(),
      close: () => this.close(),
      fault: (problem: string) => this.fault(problem),
      now: options.now
    }
    this.wire = new PeerWire(this.name, outlet, { fast: peer.fast })
    this.extensions = new PeerExtensions(this.wire, peer.extended, {
      port: options.port,
      reqq: REQUEST_QUEUE,
      version: VERSION
    })
    socket.once("close", () => this.close())
    socket.once("end", () => this.close())
    socket.on("drain", () => this.#guarded(() => this.#onDrain()))
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Sends the handshake of the extensions, and begins to read. Listeners on the wire must stand before. */
  start(): void {
    const { cipher, rest, socket } = this.peer
    if (socket.destroyed) return this.close()
    this.wire.open()
    this.extensions.start()
    if (rest.length > 0) this.#read(rest)
    socket.on("data", (chunk: Buffer) => this.#read(cipher === undefined ? chunk : cipher.incoming.apply(chunk)))
    if (!this.#closed) socket.resume()
  }

  /** Tells the torrent once it is known; closes the connection of a peer that spoke of another one. */
  fit(shape: Shape): void {
    const problem = this.#guard.fit(shape)
    if (problem !== undefined) this.fault(problem)
    else this.wire.fit(shape.pieceCount)
  }

  /** Runs once, when the connection has ended, whoever ended it. */
  onClosed(listener: () => void): void {
    if (this.#closed) listener()
    else this.#onClosed.push(listener)
  }

  /** Ends the connection by the peer's fault. */
  fault(problem: string): void {
    if (this.#closed) return
    this.faulted = true
    this.#onProblem(problem)
    this.close()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.peer.socket.destroy()
    this.#backlog.settle(0)
    try {
      this.wire.destroy()
    } finally {
      for (const listener of this.#onClosed) listener()
    }
  }

  #onDrain(): void {
    if (this.#closed) return
    this.#backlog.settle(this.peer.socket.writableLength)
    this.wire.drained()
  }

  #send(parts: ReadonlyArray<Uint8Array>): void {
    const { cipher, socket } = this.peer
    if (this.#closed || !socket.writable) return
    if (this.#backlog.isTooMuch(socket.writableLength)) return this.fault("does not read")
    this.lastActiveAt = this.#now()
    this.#cork(socket)
    // Encrypted is a copy: blocks belong to whoever read them.
    const written = cipher === undefined ? parts : [cipher.outgoing.apply(Buffer.concat(parts))]
    let bytes = 0
    for (const part of written) {
      bytes += part.length
      socket.write(part)
    }
    this.#backlog.onSend(bytes, written.length)
  }

  #hasRoom(): boolean {
    const { writableLength } = this.peer.socket
    return !this.#closed && writableLength < OUTBOX_MAX_BYTES && this.#backlog.hasRoom(writableLength)
  }

  /** What is sent in one turn leaves in one write. */
  #cork(socket: Socket): void {
    if (this.#corked) return
    this.#corked = true
    socket.cork()
    process.nextTick(() => {
      this.#corked = false
      socket.uncork()
    })
  }

  #read(chunk: Uint8Array): void {
    this.#guarded(() => {
      const { messages, problem } = this.#guard.push(chunk)
      if (messages.length > 0) this.lastActiveAt = this.#now()
      for (const message of messages) this.#receive(message)
      if (problem !== undefined) this.fault(problem)
    })
  }

  #receive(message: Message): void {
    if (this.#closed) return
    if (message._tag !== "Extended" && !this.#settled) {
      this.#settled = true
      this.onSettled()
    }
    if (message._tag === "Extended") this.extensions.receive(message.id, message.payload)
    else if (message._tag === "Port") this.onPort(message.port)
    else this.wire.receive(message)
  }

  /** What listeners throw, the engine's among them, ends this connection and nothing else. */
  #guarded(work: () => void): void {
    try {
      work()
    } catch {
      this.fault("message that was not survived")
    }
  }
}
