"""Tables: the losses of the selected models, the verdicts on the paper's claims, the use of the codes, and the costs.

Needs:  the groups
Makes:  <results>/tables/results.*      test losses of the selected models, as CSV, Markdown and LaTeX
        <results>/tables/selection.csv  the temperature selected for each dataset, K, noise law and seed
        <results>/tables/diverged.csv   the runs whose loss stopped being finite
        <results>/tables/claims.*       the paper's claims with intervals and verdicts, as CSV and Markdown
        <results>/tables/verdicts.csv   the verdict on each claim as a whole
        <results>/tables/codes.*        what the selected models learned, as CSV and Markdown
        <results>/tables/runs.csv       what was run, on which images, with which software and hardware
        <results>/tables/costs.*        core-hours and GPU-hours, as CSV and Markdown
        <results>/tables/groups.csv     the groups that tables and figures show, with the checksum of their files
Steps:  tabulate_results, judge_claims, describe_codes, sum_costs, list_groups
"""


rule tabulate_results:
    """Tabulate the test losses of the selected models, the selection and the runs that diverged."""
    input:
        summaries=group_files("summaries.csv"),
        selection=group_files("selection.csv"),
        bounds=group_files("bounds.csv"),
        image_losses=group_files("image_losses.npz"),
    output:
        csv=report(
            "<results>/tables/results.csv",
            caption="../report/results.rst",
            category="Tables",
            labels={"table": "test loss"},
        ),
        markdown="<results>/tables/results.md",
        latex="<results>/tables/results.tex",
        selection=report(
            "<results>/tables/selection.csv",
            caption="../report/selection.rst",
            category="Tables",
            labels={"table": "selected temperatures"},
        ),
        diverged=report(
            "<results>/tables/diverged.csv",
            caption="../report/diverged.rst",
            category="Tables",
            labels={"table": "diverged runs"},
        ),
        runs=report(
            "<results>/tables/runs.csv",
            caption="../report/runs.rst",
            category="Tables",
            labels={"table": "what was run"},
        ),
    log:
        "<logs>/tabulate_results.log",
    benchmark:
        "<benchmarks>/tabulate_results.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        left_out=[str(group) for group in found_groups.unfinished],
    script:
        "../scripts/tabulate_results.py"


rule judge_claims:
    """Judge the paper's claims."""
    input:
        summaries=group_files("summaries.csv"),
        histories=group_files("histories.csv.gz"),
        selection=group_files("selection.csv"),
        bounds=group_files("bounds.csv"),
        image_losses=group_files("image_losses.npz"),
    output:
        csv=report(
            "<results>/tables/claims.csv",
            caption="../report/claims.rst",
            category="Claims",
            labels={"table": "comparisons"},
        ),
        verdicts=report(
            "<results>/tables/verdicts.csv",
            caption="../report/verdicts.rst",
            category="Claims",
            labels={"table": "verdicts"},
        ),
        markdown="<results>/tables/claims.md",
    log:
        "<logs>/judge_claims.log",
    benchmark:
        "<benchmarks>/judge_claims.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        temperature=configuration.figures.convergence_temperature,
        left_out=[str(group) for group in found_groups.unfinished],
    script:
        "../scripts/judge_claims.py"


rule describe_codes:
    """Tabulate the parts of the losses and the use of the codes."""
    input:
        selection=group_files("selection.csv"),
        bounds=group_files("bounds.csv"),
    output:
        csv=report(
            "<results>/tables/codes.csv",
            caption="../report/codes.rst",
            category="What the models learned",
            labels={"table": "use of the codes"},
        ),
        markdown="<results>/tables/codes.md",
    log:
        "<logs>/describe_codes.log",
    benchmark:
        "<benchmarks>/describe_codes.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/describe_codes.py"


rule sum_costs:
    """Sum up what the groups have cost."""
    input:
        group_files("costs.csv"),
    output:
        csv=report(
            "<results>/tables/costs.csv",
            caption="../report/costs.rst",
            category="Costs",
            labels={"table": "core-hours and GPU-hours"},
        ),
        markdown="<results>/tables/costs.md",
    log:
        "<logs>/sum_costs.log",
    benchmark:
        "<benchmarks>/sum_costs.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/sum_costs.py"


rule list_groups:
    """List the groups that are there, by which the next command knows whether others are."""
    input:
        [file for name in groups.WHOLE_GROUP_FILES for file in group_files(name)],
    output:
        "<results>/tables/groups.csv",
    log:
        "<logs>/list_groups.log",
    benchmark:
        "<benchmarks>/list_groups.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/list_groups.py"


table_names = [
    *("results.csv", "results.md", "results.tex", "selection.csv", "diverged.csv"),
    *("runs.csv", "claims.csv", "verdicts.csv", "claims.md", "codes.csv", "codes.md"),
    *("costs.csv", "costs.md", "groups.csv"),
]


tables_results = [
    *missing_files,
    *([f"<results>/tables/{name}" for name in table_names] if shown_groups else []),
]


rule tables:
    """Make the study's tables; the control and the fits have targets of their own."""
    input:
        tables_results,
