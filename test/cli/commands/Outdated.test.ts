import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { PackageName } from "../../../src/protocol/core/PackageName.ts"
import * as PackageSpec from "../../../src/protocol/core/PackageSpec.ts"
import { NameNotFound, PublisherChanged, RegistryError } from "../../../src/protocol/registry/RegistryError.ts"
import { isNone } from "../../../src/cli/commands/Outdated.ts"

const NAME = PackageName.make("lib")

describe("ls-cli outdated", () => {
  it("shows no version where nobody has one, or where the range names something outside the registry", () => {
    assert.isTrue(isNone(new RegistryError({ reason: new NameNotFound({ package: NAME }) })))
    assert.isTrue(Result.match(PackageSpec.parse("lib@git+ssh://x"), { onSuccess: () => false, onFailure: isNone }))
  })

  it("fails where a version was found and refused", () => {
    const problem = "it was taken from another"
    const changed = new PublisherChanged({ package: NAME, pinned: "a", offered: ["b"], problem })
    assert.isFalse(isNone(new RegistryError({ reason: changed })))
  })
})
