/**
 * Connections between the hosts of a simulation, as TCP has them, and what flows through them: pieces
 * of a swarm, answers about topics. All talk of a host shares its links, and its way to treat others.
 */
import {
  type Answerer,
  type Behaviour,
  Connection,
  type Language,
  type Listener,
  type Opening,
  type Parts
} from "./Connection.ts"
import { Links } from "./Links.ts"
import type { Ground, Member } from "../Nodes.ts"

export type { Answerer, Behaviour, Connection, Ending, Language, Message, Opening } from "./Connection.ts"

/** The TCP port of every host. */
export const PORT = 6881

/** All streams of one simulation. */
export class Streams {
  readonly links: Links
  readonly #parts: Parts

  constructor(ground: Ground) {
    this.links = new Links(ground)
    const { kernel, trace, weather } = ground
    this.#parts = { kernel, trace, weather, links: this.links, behaviours: new Map() }
  }

  behave(host: string, behaviour: Behaviour): void {
    this.#parts.behaviours.set(host, behaviour)
  }

  behaviourOf(host: string): Behaviour {
    return this.#parts.behaviours.get(host) ?? "honest"
  }

  /** A kind of conversation that hosts can have, beside others over the same links. */
  talk<Question, Answer>(language: Language<Question, Answer>): Talk<Question, Answer> {
    return new Talk(this.#parts, language)
  }
}

export class Talk<Question, Answer> {
  readonly #parts: Parts
  readonly #language: Language<Question, Answer>
  readonly #listeners = new Map<string, Listener<Question, Answer>>()

  constructor(parts: Parts, language: Language<Question, Answer>) {
    this.#parts = parts
    this.#language = language
  }

  /** Answers on {@link PORT} of a member, in place of whoever did before, until the function that is given back is called. */
  listen(member: Member, answer: Answerer<Question, Answer>): () => void {
    const listener: Listener<Question, Answer> = { member, answer, connections: new Set() }
    this.#listeners.set(`${member.host}:${PORT}`, listener)
    return () => {
      listener.answer = undefined
      for (const connection of listener.connections) connection.reset(listener)
    }
  }

  connect(opening: Opening): Connection<Question, Answer> {
    return new Connection(this.#parts, this.#language, opening, () => this.#listeners.get(opening.to))
  }
}
