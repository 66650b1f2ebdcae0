using System.CommandLine;
using System.Net;
using FastExit.Configuration;
using FastExit.Policy;
using FastExit.Resolution;

namespace FastExit.Commands;

/// <summary>
/// `fastexit policy check HOST:PORT`: the verdict that a client would get, and the rule that made it. Exit codes: 0 allowed, 1 denied,
/// 2 bad input, 3 cannot tell because the name did not resolve.
/// </summary>
internal static class PolicyCommand
{
    public static Command Create()
    {
        var destination = new Argument<string>("HOST:PORT") { Description = "Destination as a client names it" };
        var dataDirectory = CommandLine.DataDirectory(required: false);
        var policy = new Option<string?>("--policy") { Description = "Policy file to judge by, instead of the node's", HelpName = "FILE" };
        var check = new Command("check", "Says whether a client may reach a destination, and why; ends with 0 allowed, 1 denied, 2 bad input, 3 cannot tell because the name did not resolve") { destination, dataDirectory, policy };
        check.SetAction((parsed, cancellation) => CheckAsync(
            parsed.GetRequiredValue(destination), parsed.GetValue(dataDirectory), parsed.GetValue(policy), cancellation));
        return new Command("policy", "Exit policy") { check };
    }

    private static async Task<int> CheckAsync(string destination, string? dataDirectory, string? file, CancellationToken cancellation)
    {
        if (file is not null && dataDirectory is not null)
            throw new ConfigurationException("policy check: --policy and --data-dir contradict each other; give one of them");
        ExitPolicy policy;
        var guard = AddressGuard.Default;
        var options = new ResolverOptions();
        try
        {
            policy = file is null ? ExitPolicy.Bundled : ExitPolicy.Load(file);
            if (dataDirectory is not null)
            {
                var settings = ConfigurationFile.Load(dataDirectory, []);
                options = new ResolverOptions { Servers = settings.Dns.Servers, QueryTimeout = settings.Dns.QueryTimeout };
                guard = guard.WithAllowed([.. settings.Policy.AllowedLocalPrefixes]);
                policy = Current(settings);
            }
        }
        catch (Exception error) when (error is PolicyFormatException or IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException(OperatorErrors.OneLine(error.Message), error);
        }

        RefuseBareIPv6(destination);
        using var resolver = new DestinationResolver(() => policy, guard, options);
        var result = await PolicyCheck.RunAsync(destination, resolver, cancellation).ConfigureAwait(false);
        if (result.Verdict.Outcome == DestinationOutcome.Malformed)
            throw new ConfigurationException($"{TomlAssignments.Printable(destination)}: {result.Verdict.Explain()}; write HOST:PORT, such as example.org:443");
        await Console.Out.WriteAsync(result.ToText()).ConfigureAwait(false);
        if (result.IsUnknown)
            return CommandLine.Unknown;
        return result.IsAllowed ? CommandLine.Done : CommandLine.Failed;
    }

    // Clients may leave the brackets out; a person who does has often forgotten the port, and its last group would be taken for one.
    private static void RefuseBareIPv6(string destination)
    {
        if (destination.Length > DestinationAddress.MaximumBytes || destination.Contains('[', StringComparison.Ordinal) || destination.Count(character => character == ':') < 2)
            return;
        var whole = IPAddress.TryParse(destination, out _);
        var host = destination[..destination.LastIndexOf(':')];
        if (!whole && !IPAddress.TryParse(host, out _))
            return;
        var mend = $"[{host}]{destination[host.Length..]}";
        if (whole)
            mend = IPAddress.TryParse(host, out _) ? $"{mend}, or [{destination}]:PORT" : $"[{destination}]:PORT";
        throw new ConfigurationException($"{TomlAssignments.Printable(destination)}: it is not clear where the port begins; put the IPv6 address in brackets: {mend}");
    }

    // The rules that `run` begins with.
    private static ExitPolicy Current(ExitSettings settings)
    {
        if (settings.Policy.OpenProxy)
            return ExitPolicy.Open;
        return PolicySource.Open(new PolicySourceOptions
        {
            FilePath = settings.Policy.File,
            Url = settings.Policy.Url,
            CachePath = settings.Policy.Url is null ? null : Path.Combine(settings.DataDirectory, "policy-cache.txt"),
        }).Current;
    }
}
