/**
 * What it means that something was not found where nobody was asked: that it is not held here, and no
 * more. To say of a name that nobody publishes it takes a network that was asked.
 */
import * as Effect from "effect/Effect"
import { Dht } from "../dht/Dht.ts"
import { NotHeld, RegistryError } from "./RegistryError.ts"

const notHeld = ({ reason }: RegistryError): NotHeld | undefined => {
  if (reason._tag === "NameNotFound") {
    return new NotHeld({ package: reason.package, missing: `Who publishes "${reason.package}"` })
  }
  if (reason._tag !== "PackageNotFound") return undefined
  const missing = `What the publisher ${reason.publisher} says of "${reason.package}"`
  return new NotHeld({ package: reason.package, missing })
}

/** Offline, `NameNotFound` and `PackageNotFound` become `NotHeld`. */
export const explain = <A, E, R>(
  work: Effect.Effect<A, E | RegistryError, R>
): Effect.Effect<A, E | RegistryError, R | Dht> =>
  work.pipe(
    Effect.catch((error) =>
      Effect.flatMap(Dht, ({ isOffline }) => {
        const reason = isOffline === true && error instanceof RegistryError ? notHeld(error) : undefined
        return Effect.fail(reason === undefined ? error : new RegistryError({ reason }))
      })
    )
  )
