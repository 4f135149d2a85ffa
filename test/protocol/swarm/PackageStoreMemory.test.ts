import * as PackageStoreMemory from "../../../src/protocol/testing/PackageStoreMemory.ts"
import * as PackageStoreSuite from "./PackageStoreSuite.ts"
import * as ReservationSuite from "./ReservationSuite.ts"

PackageStoreSuite.suite("memory", PackageStoreMemory.layer)
ReservationSuite.suite("memory", PackageStoreMemory.layer)
