using System.Globalization;
using System.Net;
using FastExit.Configuration;
using FastExit.Topology;

namespace FastExit.NetworkDirectory;

/// <summary>The network's API gave no usable answer. The message is one line.</summary>
internal sealed class DirectoryException : Exception
{
    public DirectoryException(string message)
        : base(message)
    {
    }

    public DirectoryException(string message, Exception inner)
        : base(message, inner)
    {
    }
}

/// <summary>
/// Asks the network's API for the topology (mix-link.md §6.8): rewarded set and all pages of nodes. Each base URL is tried in order until
/// one gives the whole. Limits: <see cref="MaximumBytes"/> an answer, <see cref="AnswerLimit"/> for each; redirects are not followed.
/// </summary>
internal sealed class DirectoryClient : IDisposable
{
    public const int MaximumBytes = 64 << 20;
    private const int MaximumPages = 1_000;
    private const int Attempts = 3;

    private readonly DirectorySettings _settings;
    private readonly HttpClient _http;
    private readonly TimeSpan _answerLimit;

    public DirectoryClient(DirectorySettings settings, TimeSpan? answerLimit = null, int maximumBytes = MaximumBytes)
    {
        _settings = settings;
        _answerLimit = answerLimit ?? AnswerLimit;
        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.All,
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = maximumBytes,
        };
    }

    public static TimeSpan AnswerLimit => TimeSpan.FromSeconds(30);

    /// <exception cref="DirectoryException">No base URL gave a usable topology; the message has the last one's reason.</exception>
    /// <exception cref="OperationCanceledException">On request.</exception>
    public async Task<(NetworkTopology Topology, int Skipped)> FetchAsync(CancellationToken cancellation)
    {
        DirectoryException? last = null;
        foreach (string url in _settings.Urls)
        {
            try
            {
                return await FetchAsync(url.TrimEnd('/'), cancellation).ConfigureAwait(false);
            }
            catch (DirectoryException error)
            {
                last = error;
            }
        }

        throw last ?? new DirectoryException("directory.urls is empty");
    }

    public void Dispose() => _http.Dispose();

    private async Task<(NetworkTopology Topology, int Skipped)> FetchAsync(string url, CancellationToken cancellation)
    {
        if (!DirectoryJson.TryReadRewardedSet(
            await GetAsync(url + "/v1/nym-nodes/rewarded-set", cancellation).ConfigureAwait(false), out RewardedSet? set))
            throw new DirectoryException($"{url}: the rewarded set is not what it should be");
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            if (await PagesAsync(url, cancellation).ConfigureAwait(false) is { } pages)
                return Build(url, set, pages);
        }

        throw new DirectoryException($"{url}: the pages of the list of nodes never agree in epoch and rotation");
    }

    /// <summary>Null: the list changed between two pages.</summary>
    private async Task<List<NodePage>?> PagesAsync(string url, CancellationToken cancellation)
    {
        var pages = new List<NodePage>();
        int entries = 0;
        while (pages.Count < MaximumPages)
        {
            string address = string.Create(CultureInfo.InvariantCulture, $"{url}/v2/unstable/nym-nodes/semi-skimmed?page={pages.Count}");
            if (!DirectoryJson.TryReadPage(await GetAsync(address, cancellation).ConfigureAwait(false), out NodePage? page))
                throw new DirectoryException($"{address}: not a page of nodes");
            if (pages.Count > 0 && (page.Metadata != pages[0].Metadata || page.Total != pages[0].Total))
                return null;
            pages.Add(page);
            entries += page.Entries;
            if (entries >= page.Total)
                return pages;
            if (page.Entries == 0)
                throw new DirectoryException($"{address}: empty, although nodes are missing");
        }

        throw new DirectoryException($"{url}: more than {MaximumPages} pages of nodes");
    }

    private (NetworkTopology Topology, int Skipped) Build(string url, RewardedSet set, List<NodePage> pages)
    {
        var nodes = new List<TopologyNode>();
        foreach (ListedNode listed in pages.SelectMany(page => page.Nodes))
        {
            if (set.Layers.TryGetValue(listed.Id, out int layer))
            {
                if (listed.Performance * 100 >= _settings.MinimumPerformance)
                    nodes.Add(listed.Node with { Role = TopologyRole.Mix1 + (layer - 1) });
            }
            else if (listed.IsGateway)
            {
                nodes.Add(listed.Node);
            }
        }

        NetworkTopology topology = NetworkTopology.FromUnchecked(pages[0].Metadata.RotationId, nodes, out int doubles);
        for (int layer = 1; layer <= NetworkTopology.Layers; layer++)
        {
            if (topology.Layer(layer).Length == 0)
                throw new DirectoryException($"{url}: no usable node in mix layer {layer}");
        }

        return (topology, doubles + pages.Sum(page => page.Skipped));
    }

    private async Task<byte[]> GetAsync(string address, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(_answerLimit);
        try
        {
            using HttpResponseMessage answer =
                await _http.GetAsync(new Uri(address), HttpCompletionOption.ResponseContentRead, limit.Token).ConfigureAwait(false);
            if (answer.StatusCode != HttpStatusCode.OK)
                throw new DirectoryException($"{address}: answered {(int)answer.StatusCode}");
            return await answer.Content.ReadAsByteArrayAsync(limit.Token).ConfigureAwait(false);
        }
        catch (Exception error) when (error is HttpRequestException or IOException or InvalidDataException)
        {
            throw new DirectoryException($"{address}: {error.Message.ReplaceLineEndings(" ").TrimEnd('.')}", error);
        }
        catch (OperationCanceledException error) when (!cancellation.IsCancellationRequested)
        {
            throw new DirectoryException($"{address}: no whole answer within {_answerLimit.TotalSeconds:0} s", error);
        }
    }
}
