"""Figures of traces: Figs. 3 to 6 and 15 to 17 of TR-Net's paper."""

from jaxforensics.reporting import figures

DISCOVERY = """\
Three kinds of traces, on the test split: where a detector looks (Grad-CAM), mean log
spectra, and mean noise residuals (what a Wiener filter takes away). Originals are the
pictures that fakes were made of, or the nearest reals. Figs. 3 to 6.
"""
CLOSER = """\
The same of attacked fakes, which should come closer to the originals: features of
TR-Net's discriminators in two dimensions, power by frequency, and differences of mean
spectra and residuals. Figs. 15 to 17.
"""


def report(traces, settings, report):
    """Sections on the traces of fakes, and on what each attack leaves of them."""
    if traces is None:
        return
    report.section("What gives fakes away", DISCOVERY)
    for victim, attention in traces.attention.items():
        _report_attention(victim, attention, settings.traces["layer"], report)
    _report_traces(traces, report)
    _report_correlations(traces, report)
    for attack, attacked in traces.attacked.items():
        report.section(f"What {attack} leaves", CLOSER)
        _report_features(attack, traces.features[attack], report)
        _report_power(attack, traces, attacked, report)
        _report_differences(attack, traces, attacked, report)


def _report_attention(victim, attention, layer, report):
    """Fig. 3."""
    figure = figures.pictures(
        [list(attention.faces.values()), list(attention.maps.values())],
        columns=list(attention.faces),
        names=["mean fake", victim],
    )
    caption = (
        f"Where {victim} looks, {layer}: mean Grad-CAM of what speaks for fake, each "
        "map up to its own maximum."
    )
    report.figure(f"attention_{victim}", figure, caption=caption)


def _report_traces(traces, report):
    """Figs. 4 and 5."""
    kinds = {"originals": traces.originals, "fakes": traces.fakes}
    sources = list(traces.fakes.spectra)
    count = len(sources)
    spectra = {
        f"{source}, {title}": profile.spectra[source]
        for title, profile in kinds.items()
        for source in sources
    }
    figure = figures.spectra(spectra, columns=count, label="log magnitude")
    caption = "Mean log spectra of originals and of fakes."
    report.figure("spectra", figure, caption=caption)

    # Spectra are logs: a difference is a ratio, whatever the pictures' contrast.
    gaps = {s: spectra[f"{s}, fakes"] - spectra[f"{s}, originals"] for s in sources}
    figure = figures.spectra(gaps, columns=count, label="difference", signed=True)
    report.figure("spectra_gaps", figure, caption="Fakes less originals.")

    residuals = {
        f"{source}, {title}": profile.residuals[source]
        for title, profile in kinds.items()
        for source in sources
    }
    figure = figures.spectra(residuals, columns=count, label="residual", signed=True)
    caption = "Mean noise residuals: fingerprints."
    report.figure("fingerprints", figure, caption=caption)


def _report_correlations(traces, report):
    """Fig. 6."""
    # The further apart the two, the better the fingerprint tells this source's fakes.
    for source, correlations in traces.correlations.items():
        figure = figures.histogram(correlations, title=source, x_label="correlation")
        caption = (
            f"{source}: correlation of test residuals with the fingerprint of the "
            "training fakes."
        )
        report.figure(f"correlation_{source}", figure, caption=caption)


def _report_features(attack, features, report):
    """Fig. 15: a map per discriminator of pictures of three kinds."""
    for critic, places in features.items():
        figure = figures.scatter(places, title=critic)
        caption = f"t-SNE of the {critic} discriminator's features."
        report.figure(f"features_{attack}_{critic}", figure, caption=caption)


def _report_power(attack, traces, attacked, report):
    """Fig. 16: a figure per source."""
    for source in traces.fakes.power:
        power = {
            "originals": traces.originals.power[source],
            "fakes": traces.fakes.power[source],
            "attacked": attacked.power[source],
        }
        figure = figures.profiles(power, title=source, y_label="power, dB")
        caption = f"{source}: power by frequency; bands are one standard deviation."
        report.figure(f"power_{attack}_{source}", figure, caption=caption)


def _report_differences(attack, traces, attacked, report):
    """Fig. 17: blank where nothing tells the pictures from their originals."""
    for name, label in (("spectra", "log magnitude"), ("residuals", "residual")):
        target = getattr(traces.originals, name)
        gaps = {
            f"{source}, {title}": getattr(profile, name)[source] - target[source]
            for title, profile in (("fakes", traces.fakes), ("attacked", attacked))
            for source in target
        }
        figure = figures.spectra(gaps, columns=len(target), label=label, signed=True)
        caption = f"{name}: mean differences from the originals."
        report.figure(f"left_{name}_{attack}", figure, caption=caption.capitalize())
