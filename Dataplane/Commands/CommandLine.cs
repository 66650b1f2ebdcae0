using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
using FastExit.Configuration;

namespace FastExit.Commands;

/// <summary>
/// The program's commands. Exit codes: 0 done, 1 failed (or denied by `policy check`), 2 bad input, 3 `policy check` cannot tell. A
/// failure is exactly one line on standard error.
/// </summary>
internal static class CommandLine
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int BadInput = 2;
    public const int Unknown = 3;

    public static async Task<int> RunAsync(string[] arguments, ExitServiceStart start)
    {
        var root = new RootCommand("Nym exit gateway: unwraps mixnet packets and connects their senders to the internet.")
        {
            InitCommand.Create(),
            RunCommand.Create(start),
            AddressCommand.Create(),
            PolicyCommand.Create(),
            CheckCommand.Create(),
            NodeCommand.Create(),
            VersionCommand.Create(),
        };
        try
        {
            var parsed = root.Parse(arguments);
            if (parsed.Errors.Count > 0)
            {
                await Console.Error.WriteLineAsync($"fastexit: {Wrong(parsed)}").ConfigureAwait(false);
                return BadInput;
            }

            return await parsed.InvokeAsync(new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null, // `run` has its own signals; the others may be killed at any time
            }).ConfigureAwait(false);
        }
        catch (ConfigurationException error)
        {
            await Console.Error.WriteLineAsync(OperatorErrors.Line(error)).ConfigureAwait(false);
            return BadInput;
        }
        catch (Exception error)
        {
            await Console.Error.WriteLineAsync(OperatorErrors.Line(error)).ConfigureAwait(false);
            return Failed;
        }
    }

    private static string Wrong(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        if (command.Subcommands.Count == 0)
            return $"{OperatorErrors.OneLine(parsed.Errors[0].Message).TrimEnd('.')}; see `fastexit --help`";
        var path = command is RootCommand ? "fastexit" : $"fastexit {command.Name}";
        var known = string.Join(", ", command.Subcommands.Select(sub => sub.Name));
        var bogus = parsed.UnmatchedTokens.Count == 0 ? "a command is missing" : $"{TomlAssignments.Printable(parsed.UnmatchedTokens[0])} is not a command of `{path}`";
        return $"{bogus}; use one of: {known}; see `{path} --help`";
    }

    public static Option<string> DataDirectory(bool required) => new("--data-dir")
    {
        Description = "Directory with config.toml and the keys",
        HelpName = "DIR",
        Required = required,
    };

    public static Option<string[]> Overrides() => new("--set")
    {
        Description = "Overrides one setting; the value is TOML (repeatable)",
        HelpName = "section.key=value",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
        DefaultValueFactory = _ => [],
    };

    public static IPEndPoint? Endpoint(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (EndpointText.TryParse(text, out var endpoint))
            return endpoint;
        result.AddError($"'{TomlAssignments.Printable(text)}' is not IP:PORT, such as 192.0.2.1:1789 or [2001:db8::1]:1789");
        return null;
    }
}
