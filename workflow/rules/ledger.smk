"""The ledger: CPU-hours and GPU-hours per rule, dataset and K.

Needs:  summary.json of the cells; Snakemake's benchmark files, where there are some
Makes:  results/gathered/{dataset}/costs.csv  what each job of a dataset has cost
        results/tables/ledger.*               the sums, as CSV and Markdown
Steps:  gather_costs, ledger
"""


rule gather_costs:
    input:
        runs=once_selected(
            lambda wildcards, selection: cells.cell_files(
                config["grid"], "summary.json", dataset=wildcards.dataset
            )
        ),
        bounds=once_selected(
            lambda wildcards, selection: cells.grid_files(
                config["grid"], cells.BOUNDS_FILE, dataset=wildcards.dataset
            )
        ),
        gradients=lambda wildcards: (
            ancient(f"results/gathered/{wildcards.dataset}/gradients.csv")
            if config["control"]["enabled"] and wildcards.dataset in control_datasets
            else []
        ),
    output:
        "results/gathered/{dataset}/costs.csv",
    log:
        "logs/gather_costs/{dataset}.log",
    benchmark:
        "results/benchmarks/gather_costs/{dataset}.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/gather_costs.py"


rule ledger:
    input:
        expand(
            "results/gathered/{dataset}/costs.csv", dataset=config["grid"]["dataset"]
        ),
    output:
        csv=report(
            "results/tables/ledger.csv",
            caption="../report/ledger.rst",
            category="Ledger",
            labels={"table": "CPU-hours and GPU-hours"},
        ),
        markdown="results/tables/ledger.md",
    log:
        "logs/ledger.log",
    benchmark:
        "results/benchmarks/ledger.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/ledger.py"
