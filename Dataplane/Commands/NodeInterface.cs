using FastExit.Configuration;
using FastExit.Identity;
using FastExit.Policy;
using FastExit.SelfDescription;
using Prometheus;

namespace FastExit.Commands;

/// <summary>The node's HTTP interface beside a running exit.</summary>
internal sealed class NodeInterface : IAsyncDisposable
{
    private const int ShortestToken = 16;
    private const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    private readonly NodeApi _api;
    private readonly NodeDocuments _documents;

    private NodeInterface(NodeApi api, NodeDocuments documents)
    {
        _api = api;
        _documents = documents;
    }

    public Uri Address => _api.Address;

    /// <summary>Null: `node.http_listen` is "".</summary>
    /// <exception cref="CommandException">The address cannot be used.</exception>
    public static async Task<NodeInterface?> StartAsync(ExitSettings settings, string? token, IExitService service, CollectorRegistry metrics)
    {
        if (settings.Node.HttpListen is not { } listen)
            return null;
        var none = new PolicySnapshot(ExitPolicy.Bundled, PolicyOrigin.Bundled, DateTimeOffset.UtcNow);
        NodeDocuments documents;
        using (var keys = NodeKeys.Load(settings.DataDirectory))
        {
            var first = AnnouncedSphinxKeys.From(keys);
            documents = new NodeDocuments(settings, keys, () => service.Keys ?? first, () => service.PolicyInForce ?? none, () => service.Counters);
        }

        try
        {
            return new NodeInterface(await NodeApi.StartAsync(listen, documents, metrics, token).ConfigureAwait(false), documents);
        }
        catch (Exception error)
        {
            documents.Dispose();
            if (error is IOException)
                throw new CommandException($"node.http_listen {listen}: {OperatorErrors.OneLine(error.Message).TrimEnd('.')}; choose a free address, or \"\" for none", error);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _api.DisposeAsync().ConfigureAwait(false);
        _documents.Dispose();
    }

    /// <summary>What opens the metrics: the first line of a file that nobody else may read. Null: nothing does.</summary>
    /// <exception cref="CommandException">The file cannot be used.</exception>
    public static string? ReadToken(NodeSettings settings)
    {
        if (settings is not { HttpListen: not null, MetricsTokenFile: { } path })
            return null;
        if (!File.Exists(path))
            throw new CommandException($"{path}: no such file; write a token into it, or set node.metrics_token_file = \"\"");
        if ((File.GetUnixFileMode(path) & Others) != 0)
            throw new CommandException($"{path}: others may read or write this token; `chmod 600 {path}`");
        var token = File.ReadLines(path).FirstOrDefault()?.Trim() ?? "";
        return token.Length >= ShortestToken && token.All(c => c is > ' ' and < (char)0x7f)
            ? token
            : throw new CommandException($"{path}: the first line must be a token of {ShortestToken} visible ASCII characters or more; for example `openssl rand -hex 32 > {path}`");
    }
}
