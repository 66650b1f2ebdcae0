using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Net;
using FastExit.Topology;

namespace FastExit.Bench.Lab.Api;

/// <summary>What the command line says of a directory.</summary>
internal sealed class DirectoryOptions
{
    private readonly Option<IPEndPoint?> _listen = new("--directory")
    {
        Description = "Where the directory listens; port 0 takes one that is free",
        DefaultValueFactory = _ => new IPEndPoint(IPAddress.Loopback, 0),
        CustomParser = CommandText.ParseListener,
    };

    private readonly Option<IPEndPoint?> _tls = new("--directory-tls")
    {
        Description = "The same by TLS, with a certificate that it signs itself",
        CustomParser = CommandText.ParseListener,
    };

    private readonly Option<KeyValuePair<TopologyRole, string>[]> _performance = new("--performance")
    {
        Description = "What the directory says of nodes, for example exit=0.40; mix1, mix2, mix3, entry or exit; may be repeated",
        DefaultValueFactory = _ => [],
        CustomParser = ParsePerformance,
    };

    private readonly Option<string> _version = new("--build-version")
    {
        Description = "The exit's version in the directory where the exit does not say so itself",
        DefaultValueFactory = _ => new DirectorySettings().BuildVersion,
    };

    private readonly Option<TimeSpan?> _epoch = new("--epoch")
    {
        Description = "Length of an epoch, for example 10s; without it the key rotation stays",
        CustomParser = result => CommandText.ParseDuration(result),
    };

    private readonly Option<int> _validity = new("--validity")
    {
        Description = "Epochs of a key rotation",
        DefaultValueFactory = _ => (int)new DirectorySettings().ValidityEpochs,
        CustomParser = CommandText.NumberBetween(3, 10_000),
    };

    private readonly Option<Uri?> _exit = new("--exit-api")
    {
        Description = "The exit's own HTTP API, for example http://127.0.0.1:8080, whose description the directory takes over",
        CustomParser = ParseUri,
    };

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _listen, _tls, _performance, _version, _epoch, _validity, _exit })
            command.Options.Add(option);
    }

    public DirectorySettings Read(ParseResult result) => new()
    {
        Listen = result.GetValue(_listen)!,
        ListenTls = result.GetValue(_tls),
        Performance = new Dictionary<TopologyRole, string>(result.GetValue(_performance) ?? []),
        BuildVersion = result.GetValue(_version)!,
        Epoch = result.GetValue(_epoch),
        ValidityEpochs = (uint)result.GetValue(_validity),
        ExitApi = result.GetValue(_exit),
    };

    internal static Uri? ParseUri(ArgumentResult result)
    {
        string text = result.Tokens.Count > 0 ? result.Tokens[0].Value : "";
        if (Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) && uri.Host.Length > 0)
            return uri;
        result.AddError($"'{text}' is no URL");
        return null;
    }

    private static KeyValuePair<TopologyRole, string>[] ParsePerformance(ArgumentResult result)
    {
        var parsed = new List<KeyValuePair<TopologyRole, string>>();
        foreach (Token token in result.Tokens)
        {
            string[] parts = token.Value.Split('=');
            if (parts.Length == 2 && Enum.TryParse(parts[0], ignoreCase: true, out TopologyRole role)
                && decimal.TryParse(parts[1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out _))
                parsed.Add(new(role, parts[1]));
            else
                result.AddError($"'{token.Value}' is no performance: exit=0.40");
        }

        return [.. parsed.DistinctBy(pair => pair.Key)];
    }
}
