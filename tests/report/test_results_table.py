"""The table of test losses in Markdown and LaTeX."""

import numpy as np
import pandas as pd
from discrete_vae.report.results import results_notes, results_to_latex, results_to_markdown
from planted import runs_of, summarized, two_laws


def page_of(runs: pd.DataFrame, lay_out=results_to_markdown) -> str:
    table = summarized(runs)
    return lay_out(table, results_notes(table, runs, runs[["dataset"]].assign(samples=100)))


def test_markdown_and_latex_show_the_same_numbers():
    markdown, latex = page_of(two_laws()), page_of(two_laws(), results_to_latex)
    assert "**13.00 ± 1.41**" in markdown
    assert "21.60 ± 0.71†" in markdown
    assert r"\textbf{13.00 $\pm$ 1.41}" in latex
    assert r"21.60 $\pm$ 0.71$^\dagger$" in latex
    assert r"a\_test \& more" in latex
    assert "a_test & more" in markdown


def test_latex_escapes_what_notes_and_names_may_hold():
    latex = results_to_latex(summarized(two_laws()), ["training.annealing {'rate': 0.1}", "100% of my_$x^2~y.npz"])
    assert r"\footnotesize training.annealing \{'rate': 0.1\}\\" in latex
    assert r"100\% of my\_\$x\textasciicircum{}2\textasciitilde{}y.npz" in latex


def test_a_best_epoch_among_the_last_is_marked():
    runs = runs_of({("normal", 0.5, 1): 1.0, ("gumbel", 0.5, 1): 2.0})
    runs["epochs_run"] = 100
    runs["best_epoch"] = runs["perturbation"].map({"gumbel": 91, "normal": 90})
    markdown, latex = page_of(runs), page_of(runs, results_to_latex)
    assert "2.00†§ " in markdown
    assert "**1.00**† " in markdown
    assert "more epochs may lower the loss" in markdown
    assert r"2.00$^\dagger$$^\S$" in latex
    assert r"$^\S$ at least one best epoch" in latex


def test_one_seed_has_no_spread_and_the_notes_say_so():
    runs = runs_of({("normal", 0.5, 1): 1.0, ("gumbel", 0.5, 1): 2.0})
    markdown = page_of(runs)
    assert "±" not in markdown
    assert "one seed: no spread, no verdict" in markdown


def test_a_group_that_diverged_entirely_is_shown_as_such():
    runs = runs_of({("normal", 0.5, 1): 1.0, ("gumbel", 0.5, 1): 2.0}, diverged=[("gumbel", 0.5, 1)])
    assert "| diverged‡" in page_of(runs)
    assert "- ‡ some runs diverged and were skipped: see diverged.csv\n" in page_of(runs)


def test_a_table_of_diverged_runs_says_so():
    runs = runs_of({("normal", 0.5, s): 1.0 for s in (1, 2)}, diverged=[("normal", 0.5, 1), ("normal", 0.5, 2)])
    assert page_of(runs).count("| diverged‡") == 4
    assert "- every run diverged\n" in page_of(runs)
    assert "one seed" not in page_of(runs)


def test_a_measure_of_fewer_seeds_says_so():
    """Older results lack the second selection."""
    runs = two_laws()
    runs.loc[runs["seed"] == 2, "validation_kl_of_codes"] = np.nan
    assert page_of(runs).count("(1 of 2 seeds)") == 2


def test_a_law_whose_runs_of_a_seed_all_diverged_is_shown_with_its_number_of_seeds():
    """Beside laws with more seeds its mean alone would mislead."""
    runs = runs_of({(law, 0.5, s): 1.0 for law in ("normal", "gumbel") for s in (1, 2)}, diverged=[("gumbel", 0.5, 2)])
    assert page_of(runs).count("(1 of 2 seeds)") == 4
    assert "runs diverged or were not made" in page_of(runs)


def test_a_law_without_bounds_is_shown_as_such():
    markdown = page_of(runs_of({("normal", 0.5, 1): 1.0, ("logistic", 0.5, 1): 2.0}))
    assert "- not evaluated, or on fewer seeds: quadrature does not serve the law" in markdown
    assert markdown.count("| not evaluated") == 3


def test_a_law_without_bounds_of_which_a_run_diverged_is_not_taken_for_diverged():
    losses = {("normal", t, s): 1.0 for t in (0.5, 1.0) for s in (1, 2)} | {
        ("logistic", t, s): 2.0 + t for t in (0.5, 1.0) for s in (1, 2)
    }
    runs = runs_of(losses, diverged=[("logistic", 0.5, 1)])
    markdown = page_of(runs)
    assert "| diverged" not in markdown
    assert markdown.count("| not evaluated") == 3
    assert "standard deviation over 2 seeds" in markdown, "whatever the measures that a law lacks"
