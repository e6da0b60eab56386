package knutepunkt.interop;

/** What passes between klient.full and arkiv.full here. */
final class Meldingstyper {
    /** With or without payload, and its answer. */
    static final String PING = "no.ks.fiks.arkiv.v1.ping";

    static final String PONG = "no.ks.fiks.arkiv.v1.pong";

    /** With payload, and its answers: the first without, the second with. */
    static final String OPPRETT = "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett";

    static final String MOTTATT = OPPRETT + ".mottatt";
    static final String KVITTERING = OPPRETT + ".kvittering";

    /** From the server itself. */
    static final String TIDSAVBRUDD = "no.ks.fiks.kvittering.tidsavbrudd";

    static final String SERVERFEIL = "no.ks.fiks.kvittering.serverfeil.v1";

    private Meldingstyper() {}
}
