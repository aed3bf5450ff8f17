package dev.kindling.job;

import dev.kindling.config.NearestName;
import dev.kindling.job.command.AttentionCommand;
import dev.kindling.job.command.CommonMixin;
import dev.kindling.job.command.CompareCommand;
import dev.kindling.job.command.DoctorCommand;
import dev.kindling.job.command.EvaluateCommand;
import dev.kindling.job.command.ExitCode;
import dev.kindling.job.command.ExportCommand;
import dev.kindling.job.command.FailureReport;
import dev.kindling.job.command.GenerateCommand;
import dev.kindling.job.command.ImportCommand;
import dev.kindling.job.command.Job;
import dev.kindling.job.command.PlanCommand;
import dev.kindling.job.command.PrepareCommand;
import dev.kindling.job.command.ProfileCommand;
import dev.kindling.job.command.TrainCommand;
import dev.kindling.job.options.AttentionOptions;
import dev.kindling.job.options.CompareOptions;
import dev.kindling.job.options.DoctorOptions;
import dev.kindling.job.options.EvaluateOptions;
import dev.kindling.job.options.ExportOptions;
import dev.kindling.job.options.GenerateOptions;
import dev.kindling.job.options.ImportOptions;
import dev.kindling.job.options.PlanOptions;
import dev.kindling.job.options.PrepareOptions;
import dev.kindling.job.options.ProfileOptions;
import dev.kindling.job.options.TrainOptions;
import dev.kindling.storage.NameEncoding;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.RunLast;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * The command line: parses arguments, runs a job, and turns a failure into one line and an exit code. No signature here
 * names a Spark class, so that help works with the jar alone.
 */
@Command(
        name = "kindling",
        description = "NanoGPT-style transformers, trained, evaluated and sampled on Apache Spark.",
        synopsisSubcommandLabel = "COMMAND",
        footer = {
            "",
            "Exit codes: 0 done, 1 failure, 2 usage or configuration error.",
            "COMMAND --help shows a command's options."
        })
public final class Kindling {
    /** Commands whose results are what they print. */
    private static final Set<String> PRINTED = Set.of("generate", "attention", "plan", "doctor");

    private final CommandLine commandLine;

    @CommandLine.Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help.")
    @SuppressWarnings("unused") // picocli sets it and shows the help
    private boolean help;

    /** The jobs that the commands run. */
    public record Jobs(
            Job<TrainOptions> train,
            Job<PrepareOptions> prepare,
            Job<EvaluateOptions> evaluate,
            Job<GenerateOptions> generate,
            Job<AttentionOptions> attention,
            Job<ProfileOptions> profile,
            Job<PlanOptions> plan,
            Job<DoctorOptions> doctor,
            Job<CompareOptions> compare,
            Job<ImportOptions> imports,
            Job<ExportOptions> exports) {}

    public Kindling(Jobs jobs, Clock clock, PrintWriter out, PrintWriter err) {
        commandLine = new CommandLine(this)
                .addSubcommand(new TrainCommand(jobs.train(), clock))
                .addSubcommand(new PrepareCommand(jobs.prepare()))
                .addSubcommand(new EvaluateCommand(jobs.evaluate()))
                .addSubcommand(new CompareCommand(jobs.compare()))
                .addSubcommand(new GenerateCommand(jobs.generate()))
                .addSubcommand(new AttentionCommand(jobs.attention()))
                .addSubcommand(new ProfileCommand(jobs.profile()))
                .addSubcommand(new PlanCommand(jobs.plan()))
                .addSubcommand(new DoctorCommand(jobs.doctor()))
                .addSubcommand(new ImportCommand(jobs.imports()))
                .addSubcommand(new ExportCommand(jobs.exports()));
        commandLine.getSubcommands().values().forEach(command -> command.addMixin("common", new CommonMixin()));
        commandLine
                .setOut(out)
                .setErr(err)
                .setExpandAtFiles(false) // @ begins a prompt as any other character does
                .setAbbreviatedOptionsAllowed(false)
                .setAbbreviatedSubcommandsAllowed(false)
                .setExecutionStrategy(Kindling::execute)
                .setParameterExceptionHandler(Kindling::usageError)
                .setExecutionExceptionHandler((e, command, parsed) -> failure(e, command));
    }

    /**
     * The command line of the jar. Jobs are made when they run.
     *
     * @throws Exception Spark's, which carries an exit code other than 0 to spark-submit or YARN
     */
    public static void main(String[] args) throws Exception {
        PrintWriter out = new PrintWriter(System.out, true, StandardCharsets.UTF_8);
        PrintWriter err = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
        Optional<String> reason = NameEncoding.whyNot(NameEncoding.ofThisJvm());
        if (reason.isPresent() && !List.of(args).contains("--help")) {
            err.println("kindling: " + reason.get());
            ProcessEnd.with(ExitCode.USAGE);
        }
        int code = new Kindling(jobs(), Clock.system(ZoneId.systemDefault()), out, err).run(args);
        boolean lost = code == ExitCode.DONE
                && args.length > 0
                && PRINTED.contains(args[0])
                && System.out.checkError(); // Java says nothing by itself
        if (lost) {
            err.println(
                    "kindling: standard output could not be written to its end, as on a full disk or where its reader"
                            + " has gone; make room and run the command again");
        }
        ProcessEnd.with(lost ? ExitCode.FAILURE : code);
    }

    static Jobs jobs() {
        return new Jobs(
                options -> new TrainJob().run(options),
                options -> new PrepareJob().run(options),
                options -> new EvaluateJob().run(options),
                options -> new GenerateJob().run(options),
                options -> DriverWork.run("attention", () -> new AttentionJob(System.out).run(options)),
                options -> DriverWork.run("profile", () -> new ProfileJob(System.out).run(options)),
                options -> DriverWork.run("plan", () -> new PlanJob(System.out).run(options)),
                options -> new DoctorJob(System.out).run(options),
                options -> new CompareJob(System.out).run(options),
                options -> DriverWork.run("import", () -> new ImportJob(System.out).run(options)),
                options -> DriverWork.run("export", () -> new ExportJob(System.out).run(options)));
    }

    /** All commands by their names. */
    Map<String, CommandLine> commands() {
        return commandLine.getSubcommands();
    }

    /** Runs one command; returns the exit code: 0 done, 2 usage or configuration error, 1 any other failure. */
    public int run(String... args) {
        if (args.length == 0) {
            commandLine
                    .getErr()
                    .println("kindling: a command is missing; it may be "
                            + String.join(", ", commands().keySet()) + " (--help says more)");
            return ExitCode.USAGE;
        }
        try {
            return commandLine.execute(args);
        } catch (Error e) { // out of memory, a class that is not there
            return FailureReport.print(e, List.of(args).contains("-v"), commandLine.getErr());
        }
    }

    private static int execute(ParseResult parsed) {
        ParseResult command = parsed.hasSubcommand() ? parsed.subcommand() : parsed;
        for (OptionSpec option : command.matchedOptions()) {
            if (option.stringValues().contains("")) {
                throw new ParameterException(
                        command.commandSpec().commandLine(), option.longestName() + " is empty; give it a value");
            }
        }
        return new RunLast().execute(parsed);
    }

    private static int failure(Exception e, CommandLine command) {
        boolean verbose = command.getParseResult().hasMatchedOption(CommonMixin.VERBOSE);
        return FailureReport.print(e, verbose, command.getErr());
    }

    private static int usageError(ParameterException e, String[] args) {
        CommandLine command = e.getCommandLine();
        command.getErr().println("kindling: " + message(e, command));
        return ExitCode.USAGE;
    }

    private static String message(ParameterException e, CommandLine command) {
        if (e instanceof UnmatchedArgumentException unmatched) {
            String argument = unmatched.getUnmatched().get(0);
            boolean option = argument.startsWith("-");
            Collection<String> known =
                    option ? options(command) : command.getSubcommands().keySet();
            return NearestName.of(argument.replaceFirst("=.*", ""), known)
                    .map(nearest -> "unknown " + (option ? "option" : "command") + " '" + argument + "'; did you mean '"
                            + nearest + "'?")
                    .orElse("unexpected argument '" + argument + "'; " + command.getCommandName()
                            + " takes options only (--help lists them)");
        }
        String reason = e.getMessage()
                .lines()
                .findFirst()
                .orElse("wrong usage")
                .replaceFirst("is not an int$", "is not a whole number below 2^31")
                .replaceFirst("is not a long$", "is not a whole number below 2^63")
                .replaceFirst("is not a double$", "is not a number");
        if (e instanceof MissingParameterException) {
            return reason + "; give it to '" + command.getCommandName() + "' (--help says more)";
        }
        return reason + " (" + command.getCommandName() + " --help says more)";
    }

    private static List<String> options(CommandLine command) {
        List<String> names = new ArrayList<>();
        CommandSpec spec = command.getCommandSpec();
        spec.options().forEach(option -> names.addAll(List.of(option.names())));
        return names;
    }
}
